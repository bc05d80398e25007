import {describe} from 'vitest'
import {cellIndexDriver} from '../../src/memory/reranked-index.ts'
import {describesVectorIndex, smallHierarchy} from '../contract/vector-index.ts'

describe('cells alone', () => {
  describesVectorIndex(cellIndexDriver(smallHierarchy), {recall: 0.95})
})
