import {expect, test} from 'vitest'
import {DiskPace} from '../../src/core/disk-pace.ts'

/** Commits of the given milliseconds, a second apart. */
const after = (...times: readonly number[]): {readonly pace: DiskPace; readonly nowMs: number} => {
  const pace = new DiskPace()
  let nowMs = 0
  for (const ms of times) {
    nowMs += 1_000
    pace.onCommit(nowMs, nowMs + ms)
  }
  return {pace, nowMs: nowMs + 1_000}
}

test('a disk is quick until its commits say otherwise', () => {
  expect(new DiskPace().isQuick(0)).toBe(true)
  const quick = after(0.2, 0.3, 0.25)
  expect(quick.pace.isQuick(quick.nowMs)).toBe(true)
  const slow = after(...Array(20).fill(0.9))
  expect(slow.pace.isQuick(slow.nowMs)).toBe(false)
})

test('one stall is enough to leave the loop, and a run of quick commits of the thread to come back', () => {
  const {pace, nowMs} = after(0.2, 12)
  expect(pace.isQuick(nowMs)).toBe(false)
  for (let k = 0; k < 40; k++) pace.onThread(0.2)
  expect(pace.isQuick(nowMs)).toBe(true)
})

test('a disk between quick and slow does not go back and forth', () => {
  const {pace, nowMs} = after(...Array(20).fill(0.9))
  for (let k = 0; k < 40; k++) pace.onThread(0.45)
  expect(pace.isQuick(nowMs)).toBe(false)
})

test('the loop rests nine times as long as a commit took', () => {
  const pace = new DiskPace()
  pace.onCommit(100, 100.4)
  expect(pace.isQuick(102)).toBe(false)
  expect(pace.isQuick(104.1)).toBe(true)
})
