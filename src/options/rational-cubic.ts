/**
 * Rational cubic interpolation with one shape parameter r (R. Delbourgo and J. A. Gregory, "Shape preserving piecewise
 * rational interpolation", SIAM J. Sci. Stat. Comput. 6, 1985). r = 3 is the cubic Hermite polynomial; r → ∞ the straight line.
 */
export const rationalCubic = (
  x: number,
  xLeft: number,
  xRight: number,
  yLeft: number,
  yRight: number,
  slopeLeft: number,
  slopeRight: number,
  r: number,
): number => {
  const h = xRight - xLeft
  if (!(Math.abs(h) > 0)) return 0.5 * (yLeft + yRight)
  const t = (x - xLeft) / h
  const u = 1 - t
  if (!(r < 1e15)) return yRight * t + yLeft * u
  return (
    (yRight * t * t * t +
      (r * yRight - h * slopeRight) * t * t * u +
      (r * yLeft + h * slopeLeft) * t * u * u +
      yLeft * u * u * u) /
    (1 + (r - 3) * t * u)
  )
}

/** r that gives the second derivative `curvature` at the left end, raised where convexity or monotonicity asks for more. */
export const convexParameterAtLeft = (
  xLeft: number,
  xRight: number,
  yLeft: number,
  yRight: number,
  slopeLeft: number,
  slopeRight: number,
  curvature: number,
): number => {
  const h = xRight - xLeft
  const secant = (yRight - yLeft) / h
  const fit = quotient(0.5 * h * curvature + (slopeRight - slopeLeft), secant - slopeLeft)
  return Math.max(fit, shapePreservingMinimum(slopeLeft, slopeRight, secant))
}

/** The same for the right end. */
export const convexParameterAtRight = (
  xLeft: number,
  xRight: number,
  yLeft: number,
  yRight: number,
  slopeLeft: number,
  slopeRight: number,
  curvature: number,
): number => {
  const h = xRight - xLeft
  const secant = (yRight - yLeft) / h
  const fit = quotient(0.5 * h * curvature + (slopeRight - slopeLeft), slopeRight - secant)
  return Math.max(fit, shapePreservingMinimum(slopeLeft, slopeRight, secant))
}

const quotient = (numerator: number, denominator: number): number =>
  denominator === 0 ? (numerator > 0 ? Number.MAX_VALUE : -Number.MAX_VALUE) : numerator / denominator

/** Smallest r > −1 that keeps monotone data monotone and convex (or concave) data convex. */
const shapePreservingMinimum = (slopeLeft: number, slopeRight: number, secant: number): number => {
  const monotone = slopeLeft * secant >= 0 && slopeRight * secant >= 0
  const convex = slopeLeft <= secant && secant <= slopeRight
  const concave = slopeLeft >= secant && secant >= slopeRight
  let minimum = -1 + 1e-8
  if (!monotone && !convex && !concave) return minimum
  if (monotone) {
    if (secant !== 0) minimum = Math.max(minimum, (slopeLeft + slopeRight) / secant)
    else return Number.MAX_VALUE
  }
  if (convex || concave) {
    const toLeft = secant - slopeLeft
    const toRight = slopeRight - secant
    if (toLeft !== 0 && toRight !== 0) {
      const spread = slopeRight - slopeLeft
      minimum = Math.max(minimum, Math.abs(spread / toRight), Math.abs(spread / toLeft))
    } else return Number.MAX_VALUE
  }
  return minimum
}
