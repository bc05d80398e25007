import {spawnSync} from 'node:child_process'
import os from 'node:os'
import {performance} from 'node:perf_hooks'
import {createRng} from '../../src/domain/rng.ts'
import {openOrtSession} from '../../src/drivers/onnx/ort-session.ts'
import {Graph, type Tensor} from '../../src/nn/graph.ts'
import {transformerEncoder} from '../../src/nn/layers/attention.ts'
import {linear, positions} from '../../src/nn/layers/basic.ts'
import {crossEntropy} from '../../src/nn/losses.ts'
import {lower} from '../../src/nn/lower.ts'
import {buildTraining, initialWeights} from '../../src/nn/nn.ts'
import {writeOnnx} from '../../src/nn/onnx-writer.ts'
import * as ops from '../../src/nn/ops.ts'
import {initialState, Optimisation} from '../../src/nn/optimisation.ts'

/**
 * One training step of the full encoder (6 layers, width 256, 8 heads, batch 16 × 64 tokens, AdamW and clipping
 * included) against the matmul rate of the same run, and against PyTorch where it is installed. Arguments: rounds, threads
 * (`4 1,2`).
 */
const [LAYERS, WIDTH, HEADS, BATCH, TIME, FEATURES] = [6, 256, 8, 16, 64, 40]
const say = (line: string): void => void process.stdout.write(`${line}\n`)
const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1] as number

const matmulRate = (threads: number): number => {
  const graph = new Graph()
  graph.output('y', ops.matmul(graph.input('a', [1024, 256]), graph.input('b', [256, 1024])))
  const session = openOrtSession(writeOnnx(lower(graph)), {threads})
  const tensor = (dims: number[]) => ({type: 'float32' as const, dims, data: new Float32Array(1024 * 256).fill(0.5)})
  const [a, b] = [tensor([1024, 256]), tensor([256, 1024])]
  const times = Array.from({length: 60}, () => {
    const start = performance.now()
    session.run({a, b})
    return performance.now() - start
  })
  session.dispose()
  return (2 * 1024 * 256 * 1024) / median(times.slice(10)) / 1e6
}

const openStep = (threads: number) => {
  const training = buildTraining(
    {
      inputs: [{name: 'x', shape: [TIME, FEATURES]}],
      forward: (scope, {x}) => {
        const state = positions(scope, 'position', linear(scope, 'token', x as Tensor, WIDTH))
        const encoded = transformerEncoder(scope, 'encoder', state, {heads: HEADS, layers: LAYERS})
        return {logits: linear(scope, 'head', ops.reduceMean(encoded, [1]), 3)}
      },
    },
    {
      inputs: [
        {name: 'target', shape: [3]},
        {name: 'weight', shape: []},
      ],
      loss: (_scope, outputs, targets) =>
        crossEntropy(outputs['logits'] as Tensor, targets['target'] as Tensor, targets['weight'] as Tensor),
    },
    {batch: BATCH},
  )
  const session = openOrtSession(writeOnnx(training.model), {threads})
  const optimisation = new Optimisation(
    training,
    session,
    initialState(training, initialWeights(training.parameters, createRng(1))),
  )
  const rng = createRng(2)
  const target = Float32Array.from({length: BATCH * 3}, (_, i) => (i % 3 === 0 ? 1 : 0))
  const batch = {
    x: Float32Array.from({length: BATCH * TIME * FEATURES}, () => rng.normal()),
    target,
    weight: new Float32Array(BATCH).fill(1),
  }
  const parameters = training.parameters.reduce((sum, {shape}) => sum + shape.reduce((p, d) => p * d, 1), 0)
  return {
    parameters,
    nodes: training.model.nodes.length,
    dispose: () => session.dispose(),
    steps: (count: number): number[] =>
      Array.from({length: count}, () => {
        const start = performance.now()
        optimisation.run(batch, 1e-3, rng)
        return performance.now() - start
      }),
  }
}

/** Multiplications and additions of the products of one step: forward once, backward twice. */
const stepFlops = (): number => {
  const tokens = BATCH * TIME
  const dense = 2 * tokens * (12 * WIDTH * WIDTH) * LAYERS
  const attention = 4 * BATCH * TIME * TIME * WIDTH * LAYERS
  return 3 * (dense + attention)
}

const TORCH = `
import time, torch
torch.set_num_threads(THREADS)
layer = torch.nn.TransformerEncoderLayer(${WIDTH}, ${HEADS}, ${4 * WIDTH}, 0.0, 'gelu', batch_first=True, norm_first=True)
net = torch.nn.ModuleDict({'t': torch.nn.Linear(${FEATURES}, ${WIDTH}), 'e': torch.nn.TransformerEncoder(layer, ${LAYERS}), 'h': torch.nn.Linear(${WIDTH}, 3)})
opt = torch.optim.AdamW(net.parameters(), 1e-3)
x, y = torch.randn(${BATCH}, ${TIME}, ${FEATURES}), torch.zeros(${BATCH}, dtype=torch.long)
ts = []
for i in range(2 + STEPS):
    s = time.perf_counter()
    opt.zero_grad()
    torch.nn.functional.cross_entropy(net['h'](net['e'](net['t'](x)).mean(1)), y).backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    opt.step()
    ts.append(time.perf_counter() - s)
print(torch.__version__, *[1000 * t for t in ts[2:]])
`

/** Step times of PyTorch, where some Python here has it. */
const torchSteps = (threads: number, steps: number): {version: string; times: number[]} | undefined => {
  const program = TORCH.replace('THREADS', String(threads)).replace('STEPS', String(steps))
  for (const python of ['python3', '/usr/bin/python3']) {
    const {status, stdout} = spawnSync(python, ['-c', program], {
      encoding: 'utf8',
      env: {...process.env, OMP_NUM_THREADS: String(threads), OPENBLAS_NUM_THREADS: String(threads)},
    })
    if (status !== 0) continue
    const [version = '', ...times] = stdout.trim().split(' ')
    return {version, times: times.map(Number)}
  }
  return undefined
}

const ROUNDS = Number(process.argv[2] ?? 4)
const PER_ROUND = 5

for (const threads of (process.argv[3] ?? '1,2').split(',').map(Number)) {
  const ours = openStep(threads)
  ours.steps(2)
  const [rates, times, torch]: number[][] = [[], [], []]
  let version = ''
  // Turn by turn, so that whatever else the machine does hits all alike.
  for (let round = 0; round < ROUNDS; round++) {
    rates?.push(matmulRate(threads))
    times?.push(...ours.steps(PER_ROUND))
    const theirs = torchSteps(threads, PER_ROUND)
    version = theirs?.version ?? ''
    torch?.push(...(theirs?.times ?? []))
  }
  ours.dispose()
  const [rate, ms] = [median(rates ?? []), median(times ?? [])]
  const achieved = stepFlops() / ms / 1e6
  say(
    `${threads} thread(s): step ${ms.toFixed(0)} ms (best ${Math.min(...(times ?? [])).toFixed(0)}), ${ours.parameters} parameters, ${ours.nodes} nodes; ${achieved.toFixed(0)} GFLOP/s, ${((100 * achieved) / rate).toFixed(0)} % of the matmul rate ${rate.toFixed(0)}; load ${os.loadavg()[0]?.toFixed(1)}`,
  )
  if (torch === undefined || torch.length === 0) {
    say('  PyTorch is not installed here (Debian: python3-torch); no ratio')
    continue
  }
  const theirs = median(torch)
  say(
    `  PyTorch ${version} ${theirs.toFixed(0)} ms (best ${Math.min(...torch).toFixed(0)}): ratio ${(ms / theirs).toFixed(2)}, of the best steps ${(Math.min(...(times ?? [])) / Math.min(...torch)).toFixed(2)}`,
  )
}
