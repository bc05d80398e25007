import {Flags} from '@oclif/core'

/** How capital is shared between strategies; the configuration's where the flag is absent. */
export const allocationFlag = Flags.option({
  description:
    'how capital is shared between strategies: auto, the default, is the policy where it knows all of several, else static',
  options: ['auto', 'static', 'inverse-volatility', 'risk-parity', 'policy'] as const,
})()

/** Another choice than the policy also takes back `model.useReinforcementLearning`, which stands for it. */
export const allocationOverride = (allocation: string | undefined): Record<string, unknown> =>
  allocation === undefined
    ? {}
    : {strategies: {allocation}, ...(allocation === 'policy' ? {} : {model: {useReinforcementLearning: false}})}
