/**
 * Normal distribution kernel. Everything rests on the Mills ratio M(y) = Φ(−y)/φ(y) and its first moment
 * I₁(y) = 1 − y·M(y) = ∫₀^∞ u·exp(−yu − u²/2) du, both on y ≥ 0 as ratios of polynomials whose coefficients are all
 * positive, so that no digit is lost in evaluating them. The coefficients interpolate a 60-digit evaluation at Chebyshev
 * nodes (on y for y ≤ 4, on w = 1/y² beyond); approximation error below 1.3e-17, total error below 6e-16 relative.
 */
const INV_SQRT_2PI = 0.3989422804014327
const SQRT_2 = Math.SQRT2
const SQRT_2_OVER_PI = 0.7978845608028654

/** Mills ratio Φ(−y)/φ(y) for y ≥ 0. */
export const millsRatio = (y: number): number => {
  if (y <= 4) {
    const p =
      (((((((7.095901236602574e-6 * y + 0.00019591468528756855) * y + 0.0025571971922071076) * y + 0.0204906891522178) *
        y +
        0.11004773362972023) *
        y +
        0.4064307698622241) *
        y +
        1.0153269846803423) *
        y +
        1.5920371926949706) *
        y +
      1.2533141373155003
    const q =
      ((((((((7.095900049139455e-6 * y + 0.00019591476395883017) * y + 0.002564290537866156) * y +
        0.020686658059772885) *
        y +
        0.11258989535642268) *
        y +
        0.4265398630606291) *
        y +
        1.120231008229299) *
        y +
        1.9602558528247385) *
        y +
        2.068146457078119) *
        y +
      1
    return p / q
  }
  const w = 1 / (y * y)
  const p =
    ((((((18133.81878075903 * w + 165372.49575598774) * w + 217574.9915268103) * w + 96290.22398213635) * w +
      18397.833958271258) *
      w +
      1648.995935808407) *
      w +
      67.39073198538752) *
      w +
    1
  const q =
    ((((((74372.20153629016 * w + 291735.5841014504) * w + 289278.5924164669) * w + 111989.97339062602) * w +
      19922.048430102055) *
      w +
      1714.3866677938076) *
      w +
      68.3907319853875) *
      w +
    1
  return p / (q * y)
}

/** First moment I₁(y) = 1 − y·M(y) for y ≥ 0, without the cancellation of that formula; ~1/y² for large y. */
export const millsFirstMoment = (y: number): number => {
  if (y <= 4) {
    const p =
      (((((((1.8510267454396733e-6 * y + 5.526289011004076e-5) * y + 0.0007902795937686597) * y +
        0.007033526501966041) *
        y +
        0.04260514147592797) *
        y +
        0.18063855236489668) *
        y +
        0.529603584947289) *
        y +
        1.0007604957348364) *
        y +
      1
    const q =
      (((((((((1.8510251914335072e-6 * y + 5.5262999511206386e-5) * y + 0.0007958288999570841) * y +
        0.007199400102571047) *
        y +
        0.044963475233036766) *
        y +
        0.20142546826844482) *
        y +
        0.6525704032509825) *
        y +
        1.5043586647611729) *
        y +
        2.35466718911353) *
        y +
        2.2540746330503367) *
        y +
      1
    return p / q
  }
  const w = 1 / (y * y)
  const p =
    ((((((11699.996863886376 * w + 295865.98584428773) * w + 381028.04987096926) * w + 152934.8839409046) * w +
      26020.96255198325) *
      w +
      2070.521367312013) *
      w +
      75.32350497835158) *
      w +
    1
  const q =
    ((((((459213.004457971 * w + 1065526.3252752796) * w + 744542.8880703207) * w + 221324.23062678997) * w +
      31822.58562396525) *
      w +
      2290.4918822472255) *
      w +
      78.32350497835147) *
      w +
    1
  return (p * w) / q
}

/** exp(−y²/2) with the square split in two (Cody 1969), so that the tails keep their last digit. */
const gaussian = (y: number): number => {
  const coarse = Math.round(y * 16) / 16
  return Math.exp(-0.5 * coarse * coarse) * Math.exp(-0.5 * (y - coarse) * (y + coarse))
}

/** Density of the standard normal. */
export const normalPdf = (x: number): number => INV_SQRT_2PI * gaussian(Math.abs(x))

/** Φ(x), relative error below 1e-15 in the lower tail down to the smallest normal double. */
export const normalCdf = (x: number): number => {
  if (Number.isNaN(x)) return x
  const y = Math.abs(x)
  const tail = y > 39 ? 0 : INV_SQRT_2PI * gaussian(y) * millsRatio(y)
  return x <= 0 ? tail : 1 - tail
}

/** Scaled complementary error function exp(z²)·erfc(z). */
export const erfcx = (z: number): number => {
  if (z >= 0) return SQRT_2_OVER_PI * millsRatio(SQRT_2 * z)
  if (z < -26.7) return Number.POSITIVE_INFINITY
  return 2 * expSquare(z) - SQRT_2_OVER_PI * millsRatio(-SQRT_2 * z)
}

/** Complementary error function. */
export const erfc = (z: number): number => {
  if (z < 0) return 2 - erfc(-z)
  if (z > 28) return 0
  const coarse = Math.round(z * 16) / 16
  return Math.exp(-coarse * coarse) * Math.exp(-(z - coarse) * (z + coarse)) * erfcx(z)
}

const expSquare = (z: number): number => {
  const coarse = Math.round(z * 16) / 16
  return Math.exp(coarse * coarse) * Math.exp((z - coarse) * (z + coarse))
}

/** Φ⁻¹(p), relative error below 1e-15: M. J. Wichura, algorithm AS 241 (PPND16), Applied Statistics 37 (1988). */
export const normalQuantile = (p: number): number => {
  if (!(p > 0 && p < 1)) return p === 0 ? Number.NEGATIVE_INFINITY : p === 1 ? Number.POSITIVE_INFINITY : Number.NaN
  const q = p - 0.5
  if (Math.abs(q) <= 0.425) return q * quantileCentre(0.180625 - q * q)
  const r = Math.sqrt(-Math.log(q < 0 ? p : 1 - p))
  const magnitude = r <= 5 ? quantileShoulder(r - 1.6) : quantileTail(r - 5)
  return q < 0 ? -magnitude : magnitude
}

const quantileCentre = (r: number): number =>
  (((((((2509.0809287301227 * r + 33430.57558358813) * r + 67265.7709270087) * r + 45921.95393154987) * r +
    13731.69376550946) *
    r +
    1971.5909503065513) *
    r +
    133.14166789178438) *
    r +
    3.3871328727963665) /
  (((((((5226.495278852854 * r + 28729.085735721943) * r + 39307.89580009271) * r + 21213.794301586597) * r +
    5394.196021424751) *
    r +
    687.1870074920579) *
    r +
    42.31333070160091) *
    r +
    1)

const quantileShoulder = (r: number): number =>
  (((((((0.0007745450142783414 * r + 0.022723844989269184) * r + 0.2417807251774506) * r + 1.2704582524523684) * r +
    3.6478483247632045) *
    r +
    5.769497221460691) *
    r +
    4.630337846156546) *
    r +
    1.4234371107496835) /
  (((((((1.0507500716444169e-9 * r + 0.0005475938084995345) * r + 0.015198666563616457) * r + 0.14810397642748008) * r +
    0.6897673349851) *
    r +
    1.6763848301838038) *
    r +
    2.053191626637759) *
    r +
    1)

const quantileTail = (r: number): number =>
  (((((((2.0103343992922881e-7 * r + 2.7115555687434876e-5) * r + 0.0012426609473880784) * r + 0.026532189526576124) *
    r +
    0.29656057182850487) *
    r +
    1.7848265399172913) *
    r +
    5.463784911164114) *
    r +
    6.657904643501103) /
  (((((((2.0442631033899397e-15 * r + 1.421511758316446e-7) * r + 1.8463183175100548e-5) * r + 0.0007868691311456133) *
    r +
    0.014875361290850615) *
    r +
    0.1369298809227358) *
    r +
    0.599832206555888) *
    r +
    1)
