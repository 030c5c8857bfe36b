"""Stacked layers: forward and hand-written backward for K networks at once."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class StackedLinear:
    r"""K linear layers of one shape, :math:`y_k = x_k W_k^T + b_k`.

    The modules' own parameters become views of the stack, and so do their gradients: what the
    stack computes, the modules and their optimizers see.

    Args:
        linears: The layers, of equal shape.
        dtype: Of the products' factors; sums, weights and gradients stay float32.
    """

    def __init__(self, linears: Sequence[nn.Linear], dtype: torch.dtype) -> None:
        """Gather the weights: [K, out, in] and [K, out]."""
        self.dtype = dtype
        self.weight = torch.stack([linear.weight.detach() for linear in linears])
        self.bias = torch.stack([linear.bias.detach() for linear in linears])
        self.weight_grad = torch.zeros_like(self.weight)
        self.bias_grad = torch.zeros_like(self.bias)
        for place, linear in enumerate(linears):
            linear.weight.data, linear.bias.data = self.weight[place], self.bias[place]
            linear.weight.grad = self.weight_grad[place]
            linear.bias.grad = self.bias_grad[place]

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs of shape [K, batch, in] to outputs of shape [K, batch, out]."""
        weight = self.weight.to(self.dtype).transpose(1, 2)
        return torch.baddbmm(self.bias.to(self.dtype).unsqueeze(1), x, weight)

    def backward(self, x: Tensor, dy: Tensor) -> None:
        """Set the gradients of weights and biases.

        Args:
            x: What ``forward`` was given.
            dy: Gradient of the outputs, [K, batch, out].
        """
        if self.dtype == torch.float32:
            torch.bmm(dy.transpose(1, 2), x, out=self.weight_grad)
        else:
            self.weight_grad.copy_(torch.bmm(dy.transpose(1, 2), x))
        self.bias_grad.copy_(dy.sum(1))

    def input_gradient(self, dy: Tensor) -> Tensor:
        """The gradient of the inputs, [K, batch, in]."""
        return torch.bmm(dy, self.weight.to(self.dtype))


class StackedHidden:
    r"""K hidden layers, :math:`y_k = \mathrm{relu}(x_k W_k^T + b_k) \odot m_k / (1 - p_k)`.

    The backward needs no mask: where a unit was dropped, its output is 0, as where the ReLU is.

    Args:
        linear: The layers' products.
        scale: :math:`1 / (1 - p_k)`, of shape [K, 1, 1]; ``None`` where no member drops anything.
    """

    def __init__(self, linear: StackedLinear, scale: Tensor | None) -> None:
        """Take the layers over; nothing is kept of a batch yet."""
        self.linear = linear
        self._scale = scale
        self._x = self._y = torch.empty(0)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Compute the outputs and keep what the backward needs.

        Args:
            x: [K, batch, in].
            mask: Zeros and scales, [K, batch, out]; ``None`` keeps every unit.
        """
        y = self.linear.forward(x).relu_()
        if mask is not None:
            y.mul_(mask)
        self._x, self._y = x, y
        return y

    def backward(self, dy: Tensor, *, needs_input_gradient: bool) -> Tensor:
        """Set the gradients of the weights; ``dy`` is used up.

        Args:
            dy: Gradient of the outputs, [K, batch, out].
            needs_input_gradient: Whether a layer below waits for it.

        Returns:
            Gradient of the inputs, or of the products' outputs where nothing waits.
        """
        if self._scale is not None:
            dy.mul_(self._scale)
        # What autograd itself calls for a ReLU.
        dy = torch.ops.aten.threshold_backward(dy, self._y, 0)
        self.linear.backward(self._x, dy)
        return self.linear.input_gradient(dy) if needs_input_gradient else dy

    def evaluate(self, x: Tensor) -> Tensor:
        """Compute the outputs with every unit in use, and keep nothing."""
        return self.linear.forward(x).relu_()
