import type {TrainRequest} from './train-parts.ts'

/** Of `gpi train`; a flag that has another value is part of the command that makes the model again. */
const USUAL = {'validate-every': 250, patience: 6, 'max-evaluated': 200_000, 'baseline-steps': 3000} as const

/** The command that makes the model again. */
export const commandOf = (request: TrainRequest): string => {
  const {model, size, batch, window, maxSteps, seed, horizon, barrier, costBps, noise, folds, symbols} = request
  const {rows, periodUs, modalityDropout, seeds, adversarial, compareClean} = request
  const {validateEvery, patience, maxEvaluated, baselineSteps} = request
  const given: Record<keyof typeof USUAL, number> = {
    'validate-every': validateEvery,
    patience,
    'max-evaluated': maxEvaluated,
    'baseline-steps': baselineSteps,
  }
  const unusual = Object.entries(given).filter(([name, value]) => value !== USUAL[name as keyof typeof USUAL])
  const chosen = {
    ...(rows === undefined ? {} : {rows}),
    ...(periodUs === undefined ? {} : {period: periodUs / 1e6}),
    ...(modalityDropout === undefined ? {} : {'modality-dropout': modalityDropout}),
    ...(seeds === undefined ? {} : {seeds}),
    ...(adversarial === undefined ? {} : {adversarial}),
  }
  const flags = {
    ...chosen,
    size,
    batch,
    window,
    'max-steps': maxSteps,
    seed,
    horizon,
    barrier,
    'cost-bps': costBps,
    noise,
    folds,
    ...Object.fromEntries(unusual),
  }
  const text = Object.entries(flags).map(([name, value]) => `--${name} ${value}`)
  return [
    'gpi train',
    model,
    ...text,
    ...(compareClean === false ? ['--no-compare-clean'] : []),
    ...(symbols === undefined ? [] : [`--symbols ${symbols.join(',')}`]),
    '--data DIR',
  ].join(' ')
}
