import MemoryAdd from './add.ts'

/** The same as `memory add`, under the name that a person looks for beside `memory export`. */
export default class MemoryImport extends MemoryAdd {
  static override summary = 'bring patterns from another bank'
  static override description =
    'Reads what gpi memory export wrote, or any pattern records; documents keep their outcomes and times.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> --from bank.parquet',
    '<%= config.bin %> memory export --bank a --out - | <%= config.bin %> <%= command.id %> --bank b',
  ]
}
