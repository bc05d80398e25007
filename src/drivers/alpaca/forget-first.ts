/** Lets the oldest entry go. */
export const forgetFirst = (remembered: Set<string> | Map<string, unknown>): void => {
  for (const key of remembered.keys()) {
    remembered.delete(key)
    return
  }
}
