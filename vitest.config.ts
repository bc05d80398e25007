import {defineConfig} from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'test/**/*.test.tsx'],
    setupFiles: ['test/support/seed.ts'],
    disableConsoleIntercept: true,
    pool: 'forks',
    restoreMocks: true,
    unstubEnvs: true,
    testTimeout: 30_000,
  },
})
