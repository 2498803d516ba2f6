"""Tiny networks of mmpretrain: those whose attention can be read, those whose cannot."""

from typing import Any

VIT = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32)
SWIN = dict(embed_dims=8, depths=[2, 2], num_heads=[2, 2])
SWIN2 = dict(embed_dims=8, depths=[2, 2], num_heads=[2, 2], extra_norm_every_n_blocks=0)
TWINS = dict(
    embed_dims=[8, 16, 16, 16], depths=[1, 1, 1, 2], num_heads=[1, 2, 2, 2], patch_sizes=[4, 2, 2, 2],
    strides=[4, 2, 2, 2], mlp_ratios=[2, 2, 2, 2], sr_ratios=[8, 4, 2, 1],
)  # fmt: skip

#: What reads all tokens' attention to all: the image's side, the rows of its tokens, and how many are in front.
READ: dict[str, tuple[dict[str, Any], int, int, int]] = {
    'vit': (dict(type='VisionTransformer', arch=VIT, img_size=32, patch_size=8), 32, 4, 1),
    'vit without a class token': (
        dict(type='VisionTransformer', arch=VIT, img_size=32, patch_size=8, with_cls_token=False,
             out_type='avg_featmap'), 32, 4, 0,
    ),
    'distilled deit': (dict(type='DistilledVisionTransformer', arch=VIT, img_size=32, patch_size=8), 32, 4, 2),
    'deit iii': (dict(type='DeiT3', arch=VIT, img_size=32, patch_size=8), 32, 4, 1),
    'beit': (dict(type='BEiTViT', arch=VIT, img_size=32, patch_size=8), 32, 4, 1),
    'beit, shared biases': (
        dict(type='BEiTViT', arch=VIT, img_size=32, patch_size=8, use_rel_pos_bias=False,
             use_shared_rel_pos_bias=True), 32, 4, 1,
    ),
    'beit, no bias': (
        dict(type='BEiTViT', arch=VIT, img_size=32, patch_size=8, bias=True, use_abs_pos_emb=True,
             use_rel_pos_bias=False), 32, 4, 1,
    ),
    'pcpvt': (dict(type='PCPVT', arch=TWINS), 128, 4, 0),
    'svt': (dict(type='SVT', arch={**TWINS, 'window_sizes': [7, 7, 7, 7]}), 128, 4, 0),
}  # fmt: skip

#: Attention in windows, and the image's side.
IN_WINDOWS: dict[str, tuple[dict[str, Any], int]] = {
    'swin': (dict(type='SwinTransformer', arch=SWIN, img_size=32, patch_size=2, window_size=4, out_indices=(1,)), 32),
    'swin, windows that stick out': (
        dict(type='SwinTransformer', arch=SWIN, img_size=40, patch_size=2, window_size=4, out_indices=(1,)), 40,
    ),
    'swin v2': (
        dict(type='SwinTransformerV2', arch=SWIN2, img_size=32, patch_size=2, window_size=4, out_indices=(1,)), 32,
    ),
}  # fmt: skip

#: What is refused, by the type that the error names.
REFUSED: dict[str, dict[str, Any]] = {
    'MobileViT': dict(type='MobileViT', arch='xx_small'),
    'ViTEVA02': dict(type='ViTEVA02', arch=VIT, img_size=32, patch_size=8),
    'T2T_ViT': dict(
        type='T2T_ViT', img_size=32, embed_dims=16, num_layers=2, t2t_cfg=dict(token_dims=8, use_performer=False),
        layer_cfgs=dict(num_heads=2, feedforward_channels=32),
    ),
    'XCiT': dict(type='XCiT', patch_size=16, embed_dims=16, depth=1, num_heads=2, mlp_ratio=2, cls_attn_layers=1),
    'DaViT': dict(
        type='DaViT', arch=dict(embed_dims=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1]), patch_size=4, window_size=2
    ),
    'MViT': dict(
        type='MViT', arch=dict(embed_dims=8, num_layers=2, num_heads=1, downscale_indices=[1]), img_size=32,
        out_scales=(1,),
    ),
    'HiViT': dict(
        type='HiViT', arch=dict(embed_dims=64, depths=[1, 1, 1], num_heads=1), img_size=32, patch_size=16,
        inner_patches=4,
    ),
    'EfficientFormer': dict(type='EfficientFormer', arch=dict(
        layers=[1, 1, 1, 2], embed_dims=[8, 8, 8, 8], downsamples=[False, True, True, True], vit_num=1)),
    'LeViT': dict(type='LeViT', arch='128s'),
    'TinyViT': dict(type='TinyViT', arch=dict(
        channels=[8, 8, 16, 16], num_heads=[1, 1, 2, 2], depths=[1, 1, 1, 1]), img_size=(64, 64)),
    'Conformer': dict(type='Conformer', arch=dict(embed_dims=16, channel_ratio=1, num_heads=2, depths=3)),
    'RevVisionTransformer': dict(type='RevVisionTransformer', arch=VIT, img_size=32, patch_size=8),
    'ViTSAM': dict(type='ViTSAM', arch=dict(
        embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32, global_attn_indexes=[1]), img_size=32,
        patch_size=8),
    'TNT': dict(type='TNT', arch=dict(
        embed_dims_outer=16, embed_dims_inner=8, num_layers=1, num_heads_outer=2, num_heads_inner=2), img_size=32),
    'MixMIMTransformer': dict(type='MixMIMTransformer', arch=dict(
        embed_dims=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1]), img_size=32, window_size=[2, 2, 2, 1]),
    'EdgeNeXt': dict(type='EdgeNeXt', arch=dict(
        channels=[8, 16, 16, 16], depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1])),
    'VAN': dict(type='VAN', arch=dict(embed_dims=[8, 8, 8, 8], depths=[1, 1, 1, 1], ffn_ratios=[2, 2, 2, 2])),
    'ResNet_CIFAR': dict(type='ResNet_CIFAR', depth=18, stem_channels=4, base_channels=4),
}  # fmt: skip
