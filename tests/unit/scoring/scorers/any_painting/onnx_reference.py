"""Reference execution of the published ONNX files: each graph is run node by node, in float and NHWC as written.

Weights are dequantized, and the rounding of activations is skipped. It shares no code with the networks under test.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)
from onnx import helper, numpy_helper

ELEMENTWISE: dict[str, Callable[..., torch.Tensor]] = {
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Sqrt": torch.sqrt,
    "Relu": torch.relu,
    "Reciprocal": torch.reciprocal,
    "Sigmoid": torch.sigmoid,
}


class OnnxReference:
    def __init__(self, path: Path):
        graph = onnx.load(str(path)).graph
        self.constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
        self.nodes, self.inputs, self.output = graph.node, [i.name for i in graph.input], graph.output[0].name

    @torch.inference_mode()
    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        values = dict(zip(self.inputs, inputs, strict=True))
        for node in self.nodes:
            values[node.output[0]] = self.evaluate(node, values)
        return values[self.output]

    def evaluate(self, node, values):
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        constants = [self.constants.get(name) for name in node.input]
        x = values.get(node.input[0])
        match node.op_type:
            case "DequantizeLinear" if x is None:
                integers, scale = constants[0].astype(np.float32), constants[1]
                return torch.tensor(
                    integers * scale.reshape(scale.shape + (1,) * (integers.ndim - 1 if scale.ndim else 0))
                )
            case "QuantizeLinear" | "DequantizeLinear":
                return x
            case "Conv":
                top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
                x = F.pad(x, (left, right, top, bottom))
                weight, bias = (values[name] for name in node.input[1:])
                return F.conv2d(x, weight, bias, attributes["strides"], groups=attributes["group"])
            case "Pad":
                pads = constants[1].tolist()
                return torch.tensor(np.pad(x.numpy(), list(zip(pads[:4], pads[4:], strict=True)), mode="reflect"))
            case "Clip":
                low, high = constants[1:]
                assert low is not None
                assert high is not None
                return x.clamp(float(low), float(high))
            case "Resize":
                scales = constants[2]
                assert scales is not None
                rows, columns = (int(scale) for scale in scales[2:])
                return x.repeat_interleave(rows, 2).repeat_interleave(columns, 3)
            case "Reshape":
                return x.reshape(-1, *constants[1].tolist()[1:])
            case "Transpose":
                return x.permute(attributes["perm"])
            case "GlobalAveragePool":
                return x.mean((2, 3), keepdim=True)
        operation = ELEMENTWISE[node.op_type]
        return operation(x, values[node.input[1]]) if len(node.input) > 1 else operation(x)
