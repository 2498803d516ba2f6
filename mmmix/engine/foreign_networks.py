"""Which network of torchvision, detectron2, mmdet or timm is one of mmpretrain's, and why there is none."""

from typing import Any

from mmpretrain.models import DeiTClsHead, VisionTransformerClsHead
from torch import nn

from . import foreign_names as names
from .foreign_forms import (
    RESNETS,
    Counterpart,
    ResNetForm,
    convolutions,
    epsilons,
    kind_of,
    linear_head,
    needs,
    widening,
)

#: What torchvision and detectron2 may have.
PLAIN = ('ResNet', 'ResNeXt')
VITS = ('VisionTransformer', 'DistilledVisionTransformer')
SWINS = ('SwinTransformer',)


def torchvision_counterpart(model: Any) -> Counterpart:
    """Torchvision's ResNet.

    Args:
        model (ImageClassifier): The classifier.

    Raises:
        ExportError: If torchvision has none, with the reason.
    """
    form = ResNetForm.of(model, 'torchvision', PLAIN)
    form.refuse(form.caffe, "strides in the 1x1 convolution (style='caffe')")
    form.refuse(form.deep_stem, 'a stem of three convolutions')
    form.refuse(form.avg_down, 'shortcuts that pool')
    form.refuse(form.squeezes, 'squeeze and excitation')
    head, why = linear_head(model, ())
    return Counterpart(
        f'torchvision.models.resnet{form.depth}',
        form.unless_default(groups=(form.groups, 1), width_per_group=(form.width, 64)),
        names.TORCHVISION_RESNET,
        head,
        why,
    )


def detectron2_counterpart(model: Any) -> Counterpart:
    """detectron2's ResNet, by its config.

    Args:
        model (ImageClassifier): The classifier.

    Raises:
        ExportError: If detectron2 has none, with the reason.
    """
    form = ResNetForm.of(model, 'detectron2', PLAIN)
    form.refuse(form.deep_stem, 'a stem of three convolutions')
    form.refuse(form.avg_down, 'shortcuts that pool')
    form.refuse(form.squeezes, 'squeeze and excitation')
    settings = {
        'MODEL.RESNETS.DEPTH': form.depth,
        'MODEL.RESNETS.STRIDE_IN_1X1': form.caffe,
        'MODEL.RESNETS.NUM_GROUPS': form.groups,
        'MODEL.RESNETS.WIDTH_PER_GROUP': form.width,
        'MODEL.RESNETS.RES2_OUT_CHANNELS': form.out_channels,
    }
    why = "detectron2's detectors have none"
    return Counterpart(backbone=names.DETECTRON2_RESNET, why_no_head=why, settings=settings)


def mmdet_counterpart(model: Any) -> Counterpart:
    """Mmdet's own ResNet where it has the network, else mmpretrain's backbone itself, which mmdet builds by its scope.

    Args:
        model (ImageClassifier): The classifier.
    """
    kind, backbone = kind_of(model.backbone), model.backbone
    why = "mmdet's detectors have none"
    if kind not in ('ResNet', 'ResNetV1c', 'ResNetV1d', 'ResNeXt') or backbone.expansion != widening(backbone):
        return Counterpart(backbone=(), why_no_head=why, settings=dict(type=''))
    settings = dict(
        type='ResNeXt' if kind == 'ResNeXt' else 'ResNet',
        depth=backbone.depth,
        style=backbone.style,
        deep_stem=backbone.deep_stem,
        avg_down=backbone.avg_down,
        in_channels=next(convolutions(backbone)).in_channels,
        stem_channels=backbone.stem_channels,
        base_channels=backbone.base_channels,
        num_stages=backbone.num_stages,
        strides=tuple(backbone.strides),
        dilations=tuple(backbone.dilations),
    )
    if kind == 'ResNeXt':
        settings.update(groups=backbone.groups, base_width=backbone.width_per_group)
    defaults: dict[str, Any] = dict(
        deep_stem=False, avg_down=False, in_channels=3, stem_channels=64, base_channels=64, num_stages=4
    )
    defaults.update(strides=(1, 2, 2, 2), dilations=(1, 1, 1, 1))
    settings = {name: value for name, value in settings.items() if name not in defaults or value != defaults[name]}
    rules = names.MMDET_DEEP_STEM if backbone.deep_stem else ()
    rules = (*rules, *(names.POOLED_SHORTCUT if backbone.avg_down and backbone.strides[0] == 1 else ()))
    return Counterpart(backbone=rules, why_no_head=why, settings=settings)


def timm_counterpart(model: Any) -> Counterpart:
    """Timm's ResNet, vision transformer or Swin.

    Args:
        model (ImageClassifier): The classifier.

    Raises:
        ExportError: If timm has none, with the reason.
    """
    kind = kind_of(model.backbone)
    if kind in VITS:
        return _timm_vit(model, kind)
    if kind in SWINS:
        return _timm_swin(model)
    form = ResNetForm.of(model, 'timm', (*RESNETS, *VITS, *SWINS))
    form.refuse(form.caffe, "strides in the 1x1 convolution (style='caffe')")
    arguments = form.unless_default(cardinality=(form.groups, 1), base_width=(form.width, 64))
    rules: names.Rules = ()
    if form.deep_stem:
        arguments.update(stem_type='deep', stem_width=32)
        rules = names.TIMM_DEEP_STEM
    if form.avg_down:
        arguments['avg_down'] = True
        rules = (*rules, *names.POOLED_SHORTCUT)
    if form.squeezes:
        form.refuse(model.backbone.se_ratio != 16, 'a squeeze by another ratio than 16')
        arguments['block_args'] = dict(attn_layer='se')
        rules = (*rules, *names.TIMM_SQUEEZE)
    head, why = linear_head(model, ())
    return Counterpart('timm.create_model', dict(model_name=f'resnet{form.depth}', **arguments), rules, head, why)


def _timm_vit(model: Any, kind: str) -> Counterpart:
    backbone = model.backbone
    layer = backbone.layers[0]
    distilled = kind == 'DistilledVisionTransformer'
    need = needs('timm', kind)
    need(backbone.out_type == 'cls_token', f'out_type={backbone.out_type!r}')
    need(isinstance(backbone.pre_norm, nn.Identity) and backbone.final_norm, 'norms in other places')
    need(isinstance(layer.attn.gamma1, nn.Identity), 'layer scale')
    need(epsilons(backbone, nn.LayerNorm) == {1e-6}, 'norms with another `eps` than 1e-6')
    projection = backbone.patch_embed.projection
    need(projection.stride == projection.kernel_size, 'patches that overlap')
    need(projection.in_channels == 3, f'{projection.in_channels} input channels')
    hidden = backbone.arch_settings['feedforward_channels']
    arguments = dict(
        model_name='deit_base_distilled_patch16_224' if distilled else 'vit_base_patch16_224',
        img_size=tuple(backbone.img_size),
        patch_size=projection.kernel_size[0],
        embed_dim=backbone.embed_dims,
        depth=backbone.num_layers,
        num_heads=backbone.arch_settings['num_heads'],
        mlp_ratio=hidden / backbone.embed_dims,
        qkv_bias=layer.attn.qkv.bias is not None,
    )
    wanted = ['head', 'head_dist'] if distilled else ['head']
    fits = isinstance(model.head, DeiTClsHead if distilled else VisionTransformerClsHead)
    fits = fits and [name for name, _ in model.head.layers.named_children()] == wanted
    need(fits or not distilled, 'another head than DeiTClsHead')
    why = '' if fits else f'{type(model.head).__name__} is no single linear layer'
    return Counterpart('timm.create_model', arguments, names.TIMM_VIT, names.TIMM_VIT_HEAD if fits else None, why)


def _timm_swin(model: Any) -> Counterpart:
    backbone = model.backbone
    need = needs('timm', 'SwinTransformer')
    need(not backbone.use_abs_pos_embed, 'an absolute position embedding')
    need(epsilons(backbone, nn.LayerNorm) == {1e-5}, 'norms with another `eps` than 1e-5')
    need(hasattr(backbone, 'norm3'), 'no norm behind the last stage')
    projection = backbone.patch_embed.projection
    need(projection.in_channels == 3, f'{projection.in_channels} input channels')
    need(len(backbone.stages) == 4, f'{len(backbone.stages)} stages')
    block = backbone.stages[0].blocks[0]
    size = backbone.patch_embed.init_input_size
    arguments = dict(
        model_name='swin_tiny_patch4_window7_224',
        img_size=tuple(size),
        patch_size=projection.kernel_size[0],
        embed_dim=backbone.embed_dims,
        depths=tuple(backbone.depths),
        num_heads=tuple(backbone.num_heads),
        window_size=block.attn.window_size,
        qkv_bias=block.attn.w_msa.qkv.bias is not None,
    )
    merged = tuple(key for key in backbone.state_dict() if '.downsample.' in key)
    head, why = linear_head(model, names.TIMM_SWIN_HEAD)
    return Counterpart('timm.create_model', arguments, names.TIMM_SWIN, head, why, merged)
