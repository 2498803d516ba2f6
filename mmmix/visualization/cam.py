"""Where a network looks: class activation maps of clean and of mixed images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..core import Mix
from ..evaluation.pixels import PixelClassifier
from ..probes.attention import network_of
from ..probes.modules import as_map, extra_tokens
from .figures import figure_at


def last_map_layer(model: nn.Module) -> nn.Module:
    """The module whose output a CAM reads: what a ViT's class token last looks through, or the last map of a CNN.

    Args:
        model (nn.Module): An mmpretrain classifier.

    Raises:
        ValueError: If no such module is known; name one.
    """
    backbone: Any = model.backbone
    layers = getattr(backbone, 'layers', None)
    if layers is not None and hasattr(layers[-1], 'ln1'):
        return layers[-1].ln1
    if hasattr(backbone, 'stages'):
        last = backbone.stages[-1]
        return last.blocks[-1].norm1 if hasattr(last, 'blocks') else last
    names = getattr(backbone, 'res_layers', None)
    if names:
        return getattr(backbone, names[-1])
    raise ValueError(f'{type(backbone).__name__} is unknown: name the layer, e.g. layer="backbone.layer4".')


class _Logits(nn.Module):
    """The classifier as grad-cam wants it: images in, logits out."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor) -> Tensor:
        return self.model(inputs, mode='tensor')


def cam_maps(model: nn.Module, pixels: Tensor, classes: Tensor, layer: str | None = None) -> Tensor:
    """Grad-CAM maps.

    `Grad-CAM <https://arxiv.org/abs/1610.02391>`_ as the package ``grad-cam`` computes it. The model is used in eval
    mode and left as it was.

    Args:
        model (nn.Module): An mmpretrain classifier.
        pixels (Tensor): ``(N, 3, H, W)`` images in [0, 1].
        classes (Tensor): ``(N,)`` the class each map is about.
        layer (str, optional): Name of the module that gives the maps. Defaults to None, see :func:`last_map_layer`.

    Returns:
        Tensor: ``(N, H, W)`` in [0, 1], on the CPU.

    Raises:
        ModuleNotFoundError: If grad-cam is missing.
        ValueError: If the model has no such layer.
    """
    try:
        from pytorch_grad_cam import GradCAM
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('Class activation maps need grad-cam: run `pip install "mmmix[cam]"`.') from error
    modules = dict(model.named_modules())
    if layer is not None and layer not in modules:
        raise ValueError(f'The model has no layer {layer!r}: name one of its modules, e.g. "backbone.layer4".')
    target = last_map_layer(model) if layer is None else modules[layer]
    classifier = PixelClassifier(model)

    def reshape(maps: Tensor) -> Tensor:
        return as_map(maps, pixels.shape[-2], pixels.shape[-1], extra_tokens(network_of(model)))

    inputs = classifier.to_inputs(pixels.float())
    grads = [(parameter, parameter.grad) for parameter in model.parameters()]
    targets = [ClassifierOutputTarget(int(c)) for c in classes]
    options = dict(target_layers=[target], reshape_transform=reshape)
    with classifier.at_rest(), torch.enable_grad(), GradCAM(model=_Logits(model), **options) as cam:
        found = cam(input_tensor=inputs, targets=targets)
    for parameter, grad in grads:
        parameter.grad = grad
    return torch.from_numpy(found).float()


def draw_cams(mix: Mix, pixels: Tensor, maps: dict[str, Sequence[Tensor]], path: str | Path) -> None:
    """Draw one row for each mixed image: own, partner, mixed, and every network's maps of both labels on the mixed one.

    Args:
        mix (Mix): How the images were mixed.
        pixels (Tensor): ``(N, 3, H, W)`` clean images in [0, 1], RGB.
        maps (dict[str, Sequence[Tensor]]): Name of a network -> its ``(N, H, W)`` maps for the own and for the
            partner's label.
        path (str | Path): Where the picture goes.
    """
    mixed = mix.mask.cpu() * pixels + (1 - mix.mask.cpu()) * pixels[mix.partner.cpu()]
    titles = ['own', 'partner', 'mixed'] + [f'{name}: {which}' for name in maps for which in ('own', 'partner')]
    n = len(pixels)
    with figure_at(path, n, len(titles), (2 * len(titles), 2.1 * n), dpi=150) as (_, axes):
        for row in range(n):
            shown = [pixels[row], pixels[int(mix.partner[row])], mixed[row]]
            for column, image in enumerate(shown):
                axes[row][column].imshow(image.permute(1, 2, 0).clamp(0, 1))
            for column, heat in enumerate([heat for pair in maps.values() for heat in pair], len(shown)):
                axes[row][column].imshow(mixed[row].permute(1, 2, 0).clamp(0, 1))
                axes[row][column].imshow(heat[row], cmap='jet', alpha=0.45, vmin=0, vmax=1)
        for axis in axes.flat:
            axis.set_axis_off()
        for axis, title in zip(axes[0], titles, strict=True):
            axis.set_title(title, fontsize=8, parse_math=False)
