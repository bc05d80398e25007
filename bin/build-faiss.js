// Compiles the addon of faiss-node against the system's FAISS, for machines where its prebuilt binary cannot be fetched.
// Needs a C++ compiler and Debian's libfaiss-dev and libopenblas-dev (FAISS 1.7.3). Result: build/faiss/faiss-node.node.
import {execFileSync} from 'node:child_process'
import {existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import path from 'node:path'
import {fileURLToPath} from 'node:url'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const folder = path.join(root, 'build', 'faiss')
const target = path.join(folder, 'faiss-node.node')
const SOURCES = ['faiss-node@0.5.1', 'node-addon-api@6.1.0', 'node-api-headers@1.9.0']

const fail = (message, hint) => {
  process.stderr.write(`error ${message}\n  try ${hint}\n`)
  process.exit(1)
}
const run = (command, args, options = {}) =>
  execFileSync(command, args, {stdio: ['ignore', 'inherit', 'inherit'], ...options})

if (process.platform !== 'linux') fail(`build:faiss knows Linux, this is ${process.platform}`, 'npm install faiss-node')
const headers = ['/usr/include', '/usr/local/include'].find(place => existsSync(path.join(place, 'faiss/index_io.h')))
if (headers === undefined)
  fail('the headers of FAISS are not installed', 'apt-get install libfaiss-dev libopenblas-dev g++')

mkdirSync(folder, {recursive: true})
writeFileSync(path.join(folder, 'package.json'), '{"private": true}\n')
run(
  'npm',
  ['install', '--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund', '--silent', ...SOURCES],
  {cwd: folder},
)

const modules = path.join(folder, 'node_modules')
// faiss-node is written for FAISS 1.7.4, which moved this type into its namespace; 1.7.3 has it in faiss::Index.
const alias =
  '#include <faiss/Index.h>\n#if FAISS_VERSION_MAJOR == 1 && FAISS_VERSION_MINOR == 7 && FAISS_VERSION_PATCH <= 3\nnamespace faiss { using idx_t = Index::idx_t; }\n#endif\n'
const source = path.join(folder, 'faiss.cc')
writeFileSync(source, alias + readFileSync(path.join(modules, 'faiss-node/src/faiss.cc'), 'utf8'))

const compiler = process.env.CXX ?? 'g++'
const half = `${target}.tmp`
run(compiler, [
  ...['-O3', '-std=c++17', '-fPIC', '-shared', '-fopenmp', '-DNAPI_VERSION=6', '-DNODE_GYP_MODULE_NAME=faiss'],
  ...['-DBUILDING_NODE_EXTENSION', '-w'],
  ...[`-I${path.join(modules, 'node-addon-api')}`, `-I${path.join(modules, 'node-api-headers/include')}`],
  ...[source, '-o', half, '-lfaiss', '-lopenblas'],
])
renameSync(half, target)
rmSync(source)
execFileSync(process.execPath, ['-e', `require(${JSON.stringify(target)})`])
process.stdout.write(`${path.relative(process.cwd(), target)} is built\n`)
