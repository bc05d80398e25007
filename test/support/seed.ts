import fc from 'fast-check'

// One seed by default, so that a commit that was green stays green; `npm run fuzz` draws others.
const given = process.env['GPI_SEED']
const seed = given === undefined ? 20_261_122 : Number(given)
if (!Number.isInteger(seed)) throw new TypeError(`GPI_SEED must be a whole number, was "${given}"`)

fc.configureGlobal({seed})
