import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {Graph} from '../../src/nn/graph.ts'
import {interpret} from '../../src/nn/interpreter.ts'
import {binaryCrossEntropy, kellyLoss} from '../../src/nn/losses.ts'
import {expectGradients, randomFeeds} from './support.ts'

const one = (
  loss: (graph: Graph) => ReturnType<typeof binaryCrossEntropy>,
  feeds: Record<string, number[]>,
): number => {
  const graph = new Graph()
  graph.output('loss', loss(graph))
  return interpret(graph, feeds).get('loss')?.data[0] as number
}

describe('binary cross-entropy', () => {
  const at = (logit: number, target: number): number =>
    one(graph => binaryCrossEntropy(graph.input('z', [1]), graph.input('y', [1]), graph.input('w', [1])), {
      z: [logit],
      y: [target],
      w: [1],
    })
  test.each([
    [0, 1, Math.LN2],
    [Math.log(3), 1, -Math.log(0.75)],
    [Math.log(3), 0, -Math.log(0.25)],
    [80, 0, 80],
    [-80, 1, 80],
  ])('of logit %d against %d', (logit, target, expected) => {
    expect(at(logit, target)).toBeCloseTo(expected, 10)
  })
  test('differentiates, at zero too', () => {
    fc.assert(
      fc.property(fc.integer({min: 1, max: 5}), fc.nat(), fc.boolean(), (rows, seed, isZero) => {
        const graph = new Graph()
        const [z, y, w] = ['z', 'y', 'w'].map(name => graph.input(name, [rows])) as [never, never, never]
        const feeds = randomFeeds(graph, seed)
        if (isZero) feeds['z']?.fill(0)
        feeds['y'] = Float32Array.from(feeds['y'] as Float32Array, value => (value > 0 ? 1 : 0))
        feeds['w']?.fill(1)
        expectGradients(graph, binaryCrossEntropy(z, y, w), [z], feeds)
      }),
      {numRuns: 20},
    )
  })
})

describe('the stake that mean-variance utility asks for', () => {
  const lossOf = (moves: readonly number[], cost: number) => (stake: number) =>
    one(
      graph => {
        const [s, m, c, w] = ['s', 'm', 'c', 'w'].map(name => graph.input(name, [moves.length])) as never[]
        return kellyLoss(s as never, m as never, c as never, w as never)
      },
      {s: moves.map(() => stake), m: [...moves], c: moves.map(() => cost), w: moves.map(() => 1)},
    )
  const best = (loss: (stake: number) => number): number => {
    const grid = Array.from({length: 2001}, (_, i) => (i - 1000) / 1000)
    return grid.reduce((least, stake) => (loss(stake) < loss(least) ? stake : least), 0)
  }
  test('is E[g] / E[g²]', () => {
    const moves = [1, 1, 1, -1, 0.5]
    const mean = moves.reduce((sum, move) => sum + move, 0)
    const square = moves.reduce((sum, move) => sum + move * move, 0)
    expect(best(lossOf(moves, 0))).toBeCloseTo(mean / square, 2)
  })
  test('is nothing where the mean does not pay its cost, on either side', () => {
    expect(best(lossOf([1, -1, 0.2], 0.2))).toBe(0)
    expect(best(lossOf([-1, 1, -0.2], 0.2))).toBe(0)
    expect(best(lossOf([-1, -1, 0.2], 0.2))).toBeLessThan(-0.3)
  })
})
