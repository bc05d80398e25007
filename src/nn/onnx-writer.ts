import {
  IR_VERSION,
  type OnnxAttribute,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  OnnxType,
  type OnnxValueInfo,
} from './onnx-model.ts'
import {ProtobufWriter} from './protobuf.ts'

/** The bytes of a `ModelProto`. Deterministic: the same model gives the same bytes. */
export const writeOnnx = (model: OnnxModel): Uint8Array => {
  const out = new ProtobufWriter()
  out.varint(1, IR_VERSION).string(2, model.producer)
  out.message(7, graph => {
    for (const node of model.nodes) graph.message(1, writer => writeNode(writer, node))
    graph.string(2, 'gpi')
    for (const tensor of model.initializers) graph.message(5, writer => writeTensor(writer, tensor))
    for (const input of model.inputs) graph.message(11, writer => writeValueInfo(writer, input))
    for (const output of model.outputs) graph.message(12, writer => writeValueInfo(writer, output))
  })
  for (const [domain, version] of Object.entries(model.opsets)) {
    out.message(8, opset => opset.string(1, domain).varint(2, version))
  }
  for (const [key, value] of Object.entries(model.metadata))
    out.message(14, entry => entry.string(1, key).string(2, value))
  return out.finish()
}

const writeNode = (out: ProtobufWriter, node: OnnxNode): void => {
  for (const input of node.inputs) out.string(1, input)
  for (const output of node.outputs) out.string(2, output)
  if (node.name) out.string(3, node.name)
  out.string(4, node.op)
  for (const [name, attribute] of Object.entries(node.attributes)) {
    out.message(5, writer => writeAttribute(writer, name, attribute))
  }
  if (node.domain) out.string(7, node.domain)
}

const writeAttribute = (out: ProtobufWriter, name: string, attribute: OnnxAttribute): void => {
  out.string(1, name)
  switch (attribute.kind) {
    case 'float':
      out.float(2, attribute.value).varint(20, 1)
      break
    case 'int':
      out.varint(3, attribute.value).varint(20, 2)
      break
    case 'string':
      out.string(4, attribute.value).varint(20, 3)
      break
    case 'tensor':
      out.message(5, writer => writeTensor(writer, attribute.value)).varint(20, 4)
      break
    case 'floats':
      for (const value of attribute.value) out.float(7, value)
      out.varint(20, 6)
      break
    case 'ints':
      for (const value of attribute.value) out.varint(8, value)
      out.varint(20, 7)
      break
    case 'strings':
      for (const value of attribute.value) out.string(9, value)
      out.varint(20, 8)
      break
    default:
      attribute satisfies never
  }
}

const writeTensor = (out: ProtobufWriter, tensor: OnnxTensor): void => {
  for (const dimension of tensor.dims) out.varint(1, dimension)
  out.varint(2, OnnxType[tensor.type]).string(8, tensor.name).bytes(9, tensor.raw)
}

const writeValueInfo = (out: ProtobufWriter, info: OnnxValueInfo): void => {
  out.string(1, info.name).message(2, type =>
    type.message(1, tensorType =>
      tensorType.varint(1, OnnxType[info.type]).message(2, shape => {
        for (const dimension of info.dims) {
          shape.message(1, dim => (typeof dimension === 'string' ? dim.string(2, dimension) : dim.varint(1, dimension)))
        }
      }),
    ),
  )
}
