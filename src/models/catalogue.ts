import {nearest, UserError} from '../domain/errors.ts'
import type {Architecture} from './networks.ts'

/** A model that `gpi train` knows by name. */
export interface KnownModel {
  readonly name: string
  readonly architecture: Architecture | 'ensemble'
  /** Market it is trained on unless asked otherwise. */
  readonly rows: 'bar' | 'multi' | 'book'
  readonly learningRate: number
  readonly summary: string
}

/** Members of the ensemble, each trained alone at the same options. */
export const ENSEMBLE_MEMBERS: readonly Architecture[] = ['mlp', 'cnn', 'lstm']

export const SIGNAL_MODELS: readonly KnownModel[] = [
  {name: 'signal', architecture: 'mlp', rows: 'bar', learningRate: 1e-3, summary: 'small perceptron on bars'},
  {
    name: 'linear',
    architecture: 'linear',
    rows: 'bar',
    learningRate: 1e-3,
    summary: 'logistic regression on the window',
  },
  {name: 'lstm', architecture: 'lstm', rows: 'bar', learningRate: 2e-3, summary: 'recurrent network'},
  {name: 'cnn', architecture: 'cnn', rows: 'bar', learningRate: 1e-3, summary: 'inception convolutions'},
  {
    name: 'hybrid',
    architecture: 'hybrid',
    rows: 'bar',
    learningRate: 1e-3,
    summary: 'convolution, recurrence, attention',
  },
  {
    name: 'ensemble',
    architecture: 'ensemble',
    rows: 'bar',
    learningRate: 1e-3,
    summary: 'perceptron, convolutions and LSTM, mixed by held-out log loss',
  },
  {
    name: 'transformer',
    architecture: 'transformer',
    rows: 'multi',
    learningRate: 5e-4,
    summary: 'pre-norm encoder over bars, microstructure, option chains and retrieved patterns',
  },
  {
    name: 'logistic-ofi',
    architecture: 'linear',
    rows: 'book',
    learningRate: 1e-3,
    summary: 'logistic regression on order flow',
  },
  {name: 'ctabl', architecture: 'ctabl', rows: 'book', learningRate: 1e-3, summary: 'BiN and bilinear attention'},
  {
    name: 'deeplob',
    architecture: 'deeplob',
    rows: 'book',
    learningRate: 1e-3,
    summary: 'convolutions, inception, LSTM',
  },
  {name: 'mixer', architecture: 'mixer', rows: 'book', learningRate: 1e-3, summary: 'MLP mixer'},
  {name: 'book', architecture: 'ctabl', rows: 'book', learningRate: 1e-3, summary: 'the shipped order-book model'},
]

export const knownModel = (name: string): KnownModel => {
  const found = SIGNAL_MODELS.find(model => model.name === name)
  if (found !== undefined) return found
  const names = [...SIGNAL_MODELS.map(model => model.name), 'embedder', 'policy']
  const likely = nearest(name, names)
  throw new UserError('UNKNOWN_MODEL', `no model "${name}" to train`, {
    hints: [...(likely === undefined ? [] : [`did you mean ${likely}?`]), `known: ${names.join(', ')}`],
  })
}
