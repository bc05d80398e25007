import {DuckDBInstance} from '@duckdb/node-api'
import type {StoredPattern} from '../../memory/pattern.ts'

const COLUMNS = `id VARCHAR, symbol VARCHAR, strategy VARCHAR, regime VARCHAR, tsUs BIGINT, vector FLOAT[],
  atUs BIGINT[], pnlBps DOUBLE[], tier VARCHAR, lastUseUs BIGINT, uses BIGINT`
