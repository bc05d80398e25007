import normalCdf from '@stdlib/stats-base-dists-normal-cdf'

/**
 * Distribution of Dickey–Fuller and Engle–Granger statistics. p-values: response surfaces of MacKinnon, "Approximate
 * asymptotic distribution functions for unit-root and cointegration tests", J. Business & Economic Statistics 12 (1994),
 * tables 3 and 4. Critical values: MacKinnon, "Critical values for cointegration tests", Queen's University working
 * paper 1227 (2010), table 2 (no-constant case: 1996). Both for 1 to 6 integrated series.
 */

/** Deterministic terms: none, constant, constant and trend. */
export type Deterministic = 'n' | 'c' | 'ct'

interface Surface {
  /** Statistic at which the left-tail polynomial ends and the other begins, and where p is 0 and 1. By number of series − 1. */
  readonly star: readonly number[]
  readonly min: readonly number[]
  readonly max: readonly number[]
  readonly left: readonly (readonly number[])[]
  readonly right: readonly (readonly number[])[]
  /** Coefficients of 1, 1/T, 1/T², 1/T³ at 1, 5 and 10 %. */
  readonly critical: readonly (readonly (readonly number[])[])[]
}

const SURFACES: Record<Deterministic, Surface> = {
  n: {
    star: [-1.04, -1.53, -2.68, -3.09, -3.07, -3.77],
    min: [-19.04, -19.62, -21.21, -23.25, -21.63, -25.74],
    max: [Number.POSITIVE_INFINITY, 1.51, 0.86, 0.88, 1.05, 1.24],
    left: [
      [0.6344, 1.2378, 0.032496],
      [1.9129, 1.3857, 0.035322],
      [2.7648, 1.4502, 0.034186],
      [3.4336, 1.4835, 0.0319],
      [4.0999, 1.5533, 0.0359],
      [4.5388, 1.5344, 0.029807],
    ],
    right: [
      [0.4797, 0.93557, -0.06999, 0.033066],
      [1.5578, 0.8558, -0.2083, -0.033549],
      [2.2268, 0.68093, -0.32362, -0.054448],
      [2.7654, 0.64502, -0.30811, -0.044946],
      [3.2684, 0.68051, -0.26778, -0.034972],
      [3.7268, 0.7167, -0.23648, -0.028288],
    ],
    critical: [
      [
        [-2.56574, -2.2358, -3.627, 0.0],
        [-1.941, -0.2686, -3.365, 31.223],
        [-1.61682, 0.2656, -2.714, 25.364],
      ],
    ],
  },
  c: {
    star: [-1.61, -2.62, -3.13, -3.47, -3.78, -3.93],
    min: [-18.83, -18.86, -23.48, -28.07, -25.96, -23.27],
    max: [2.74, 0.92, 0.55, 0.61, 0.79, 1],
    left: [
      [2.1659, 1.4412, 0.038269],
      [2.92, 1.5012, 0.039796],
      [3.4699, 1.4856, 0.03164],
      [3.9673, 1.4777, 0.026315],
      [4.5509, 1.5338, 0.029545],
      [5.1399, 1.6036, 0.034445],
    ],
    right: [
      [1.7339, 0.93202, -0.12745, -0.010368],
      [2.1945, 0.64695, -0.29198, -0.042377],
      [2.5893, 0.45168, -0.36529, -0.050074],
      [3.0387, 0.45452, -0.33666, -0.041921],
      [3.5049, 0.52098, -0.29158, -0.033468],
      [3.9489, 0.58933, -0.25359, -0.02721],
    ],
    critical: [
      [
        [-3.43035, -6.5393, -16.786, -79.433],
        [-2.86154, -2.8903, -4.234, -40.04],
        [-2.56677, -1.5384, -2.809, 0.0],
      ],
      [
        [-3.89644, -10.9519, -33.527, 0.0],
        [-3.33613, -6.1101, -6.823, 0.0],
        [-3.04445, -4.2412, -2.72, 0.0],
      ],
      [
        [-4.29374, -14.4354, -33.195, 47.433],
        [-3.74066, -8.5632, -10.852, 27.982],
        [-3.45218, -6.2143, -3.718, 0.0],
      ],
      [
        [-4.64332, -18.1031, -37.972, 0.0],
        [-4.096, -11.2349, -11.175, 0.0],
        [-3.8102, -8.3931, -4.137, 0.0],
      ],
      [
        [-4.95756, -21.8883, -45.142, 0.0],
        [-4.41519, -14.0405, -12.575, 0.0],
        [-4.13157, -10.7417, -3.784, 0.0],
      ],
      [
        [-5.24568, -25.6688, -57.737, 88.639],
        [-4.70693, -16.9178, -17.492, 60.007],
        [-4.42501, -13.1875, -5.104, 27.877],
      ],
    ],
  },
  ct: {
    star: [-2.89, -3.19, -3.5, -3.65, -3.8, -4.36],
    min: [-16.18, -21.15, -25.37, -26.63, -26.53, -26.18],
    max: [0.7, 0.63, 0.71, 0.93, 1.19, 1.42],
    left: [
      [3.2512, 1.6047, 0.049588],
      [3.6646, 1.5419, 0.036448],
      [4.0983, 1.5173, 0.029898],
      [4.5844, 1.5338, 0.028796],
      [5.0722, 1.5634, 0.029472],
      [5.53, 1.5914, 0.030392],
    ],
    right: [
      [2.5261, 0.61654, -0.37956, -0.060285],
      [2.85, 0.5272, -0.36622, -0.051695],
      [3.221, 0.5255, -0.32685, -0.041501],
      [3.652, 0.59758, -0.27483, -0.032081],
      [4.0712, 0.66428, -0.23464, -0.02546],
      [4.4735, 0.71757, -0.20681, -0.021196],
    ],
    critical: [
      [
        [-3.95877, -9.0531, -28.428, -134.155],
        [-3.41049, -4.3904, -9.036, -45.374],
        [-3.12705, -2.5856, -3.925, -22.38],
      ],
      [
        [-4.32762, -15.4387, -35.679, 0.0],
        [-3.78057, -9.5106, -12.074, 0.0],
        [-3.49631, -7.0815, -7.538, 21.892],
      ],
      [
        [-4.66305, -18.7688, -49.793, 104.244],
        [-4.1189, -11.8922, -19.031, 77.332],
        [-3.83511, -9.0723, -8.504, 35.403],
      ],
      [
        [-4.9694, -22.4694, -52.599, 51.314],
        [-4.42871, -14.5876, -18.228, 39.647],
        [-4.14633, -11.25, -9.873, 54.109],
      ],
      [
        [-5.25276, -26.2183, -59.631, 50.646],
        [-4.71537, -17.3569, -22.66, 91.359],
        [-4.43422, -13.6078, -10.238, 76.781],
      ],
      [
        [-5.51727, -29.976, -75.222, 202.253],
        [-4.98228, -20.305, -25.224, 132.03],
        [-4.70233, -16.1253, -9.836, 94.272],
      ],
    ],
  },
}

/** Probability of a statistic at or below this one when `series` integrated series are not cointegrated (1: a unit root). */
export const mackinnonP = (statistic: number, deterministic: Deterministic = 'c', series = 1): number => {
  const surface = SURFACES[deterministic]
  const at = indexOf(series)
  if (statistic > (surface.max[at] as number)) return 1
  if (statistic < (surface.min[at] as number)) return 0
  const table = statistic <= (surface.star[at] as number) ? surface.left : surface.right
  return normalCdf(polynomial(table[at] as readonly number[], statistic), 0, 1)
}

export interface CriticalValues {
  readonly onePercent: number
  readonly fivePercent: number
  readonly tenPercent: number
}

/** Values below which the null is rejected, for a sample of `observations`. The no-constant table knows one series only. */
export const mackinnonCritical = (
  deterministic: Deterministic = 'c',
  series = 1,
  observations = Number.POSITIVE_INFINITY,
): CriticalValues => {
  const rows = SURFACES[deterministic].critical[indexOf(series)]
  if (rows === undefined) throw new RangeError(`no critical values for ${series} series without a constant`)
  const [one, five, ten] = rows.map(row => polynomial(row, 1 / observations)) as [number, number, number]
  return {onePercent: one, fivePercent: five, tenPercent: ten}
}

const indexOf = (series: number): number => {
  if (Number.isInteger(series) && series >= 1 && series <= 6) return series - 1
  throw new RangeError(`the tables are for 1 to 6 series, was ${series}`)
}

const polynomial = (coefficients: readonly number[], x: number): number =>
  coefficients.reduceRight((sum, coefficient) => sum * x + coefficient, 0)
