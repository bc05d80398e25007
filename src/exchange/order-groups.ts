import type {WorkingOrder} from './working-order.ts'

/** Members of brackets, OCOs and OTOs, by the id they share. */
export class OrderGroups {
  readonly #members = new Map<string, WorkingOrder[]>()

  add(working: WorkingOrder): void {
    const {groupId} = working.order
    if (groupId === undefined) return
    const group = this.#members.get(groupId)
    if (group === undefined) this.#members.set(groupId, [working])
    else group.push(working)
  }
  /** The order's group as it is now; none for an order that is alone. */
  of(working: WorkingOrder): readonly WorkingOrder[] {
    return [...(this.#members.get(working.order.groupId ?? '') ?? [])]
  }
  entryIsOpen(exit: WorkingOrder): boolean {
    return this.of(exit).some(member => member.order.groupRole === 'entry' && member.state !== 'done')
  }
  replace(old: WorkingOrder, next: WorkingOrder): void {
    const group = this.#members.get(old.order.groupId ?? '')
    const at = group?.indexOf(old) ?? -1
    if (at >= 0) group?.splice(at, 1, next)
  }
  /** Forgets the group when every member is done. */
  prune(working: WorkingOrder): void {
    const {groupId} = working.order
    if (groupId === undefined) return
    if (this.#members.get(groupId)?.every(member => member.state === 'done')) this.#members.delete(groupId)
  }
}
