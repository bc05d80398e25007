import {createVolatilePatternStore} from '../../src/memory/volatile-pattern-store.ts'
import {describesPatternStore} from '../contract/pattern-store.ts'

describesPatternStore(async () => createVolatilePatternStore())
