"""Label policies, and what mixers of tokens and features do beside the mask, beside slow references."""

from typing import Any

import numpy as np
import torch
from fidelity_given import Given, Measure
from fidelity_laws import Array
from fidelity_networks import attention_of, softmax, vit

from mmmix import Area, CutMix, Labels, LUMix, MaskMix, Mix, Mixup, ProgressiveAttention, TLAlign, TokenMix, TransMix
from mmmix.evaluation.contenders import FixedGuide
from mmmix.mixers.smmix import consistency_loss, token_loss
from mmmix.ops.transport import sinkhorn

# --------------------------------------------------------------------------------------------------------------- labels


def mixed(images: Array, aligned: bool = True, count: int = 12) -> Mix:
    """A mixed batch, in whole patches of 8 pixels, or in boxes of any pixels."""
    mixer: Any = MaskMix(mask_size=8, lam_mode='elem') if aligned else CutMix(lam_mode='elem')
    return mixer.mix(torch.from_numpy(images[:count]).float(), torch.eye(10)[torch.arange(len(images[:count])) % 10])


def relabelled(policy: Labels, mix: Mix) -> tuple[Mix, list[Array], Array]:
    """What a policy makes of a mix on a small ViT, the attention of its blocks, and its logits of the mixed images."""
    model = vit()
    attention = attention_of(model, mix.images)
    with torch.no_grad():
        logits = model(mix.images)
        with policy.watch(model) as relabel:
            model(mix.images)
            found = relabel(mix, lambda: logits)
    return found, attention, logits.double().numpy()


def patches_of(mix: Mix, first: bool = False) -> Array:
    """How much of each of 4 x 4 patches is the own image's, ``(N, 16)``; ``first``: whether its first pixel is."""
    masks = mix.mask[:, 0].double().numpy()
    cells = masks[:, ::8, ::8] if first else masks.reshape(len(masks), 4, 8, 4, 8).mean((2, 4))
    return cells.reshape(len(masks), 16)


def area_of(mix: Mix) -> Array:
    """The part of the pixels that are the own image's, ``(N,)``."""
    return mix.mask.double().mean((1, 2, 3)).numpy()


def area(images: Array) -> tuple[Array, Array]:
    """The part of the pixels that are the own image's."""
    mix = mixed(images, aligned=False)
    found = Area().relabel(mix)
    return np.concatenate([area_of(mix), 1 - area_of(mix)]), torch.cat([found.lam, found.lam_partner]).numpy()


def transmix(aligned: bool, rounded: bool = False) -> Measure:
    """Half the area, half what the class token pays to the patches whose first pixel is the own image's."""

    def measure(images: Array) -> tuple[Array, Array]:
        mix = mixed(images, aligned, count=60)
        found, attention, _ = relabelled(TransMix(rounded=rounded), mix)
        theirs = []
        for paid, own, whole in zip(attention[-1], patches_of(mix, first=True), area_of(mix), strict=True):
            rows = paid[0, 1:]
            theirs.append((whole + (rows * own).sum() / rows.sum()) / 2)
        return np.array(theirs), found.lam.numpy()

    return measure


def progressive(smoothing: float) -> Measure:
    """Attention as far as the cosine of prediction and (smoothed) area label goes, else the area."""

    def measure(images: Array) -> tuple[Array, Array]:
        mix = mixed(images)
        found, attention, logits = relabelled(ProgressiveAttention(smoothing=smoothing), mix)
        theirs = []
        for i, own in enumerate(patches_of(mix)):
            rows = attention[-1][i, 0, 1:]
            label = (1 - smoothing) * mix.scores[i].double().numpy() + smoothing / 10
            guess = softmax(logits[i])
            trust = (guess * label).sum() / np.sqrt((guess**2).sum() * (label**2).sum())
            theirs.append(trust * (rows * own).sum() / rows.sum() + (1 - trust) * area_of(mix)[i])
        return np.array(theirs), found.lam.numpy()

    return measure


def tl_align(images: Array) -> tuple[Array, Array]:
    """Label vectors on all tokens; each block takes the mean of them and of what attention makes of them."""
    mix = mixed(images)
    found, attention, _ = relabelled(TLAlign(), mix)
    labels = mix.pool_scores.double().numpy()
    theirs = []
    for i, own in enumerate(patches_of(mix)):
        mine, other = labels[i], labels[int(mix.partner[i])]
        tokens = [share * mine + (1 - share) * other for share in (area_of(mix)[i], *own)]
        for block in attention:
            carried = [sum(w * token for w, token in zip(row, tokens, strict=True)) for row in block[i]]
            tokens = [(token + moved) / 2 for token, moved in zip(tokens, carried, strict=True)]
        theirs.append(tokens[0])
    return np.array(theirs), found.scores.numpy()


def confidence(images: Array) -> tuple[Array, Array]:
    """The area, and a tenth of the network's confidence in the own label against the partner's."""
    mix = mixed(images)
    found, _, logits = relabelled(LUMix(r_n=0.0), mix)
    classes = mix.pool_scores.argmax(1).numpy()
    theirs = []
    for i, logit in enumerate(logits):
        guess = softmax(logit)
        mine, other = guess[classes[i]], guess[classes[int(mix.partner[i])]]
        theirs.append(0.9 * area_of(mix)[i] + 0.1 * mine / (mine + other))
    mixed_rows = mix.mask.flatten(1).amin(1).numpy() < 1
    return np.where(mixed_rows, theirs, area_of(mix)), found.lam.numpy()


def noise(images: Array) -> tuple[Array, Array]:
    """Of noise alone the shares are uniform: the deciles of 4,000."""
    batch = torch.zeros(4000, 1, 2, 2), torch.eye(10)[torch.arange(4000) % 10]
    found = LUMix(r_s=0.0, r_n=1.0).relabel(Mixup().mix(*batch)).lam
    levels = np.arange(1, 10) / 10
    return levels, np.quantile(found.numpy(), levels)


# -------------------------------------------------------------------------------------- what mixers do beside the mask


def smmix_losses(images: Array) -> tuple[Array, Array]:
    """Half the cross entropy of each image's mean token, and the divergence from the softmax of mixed clean logits."""
    mix, linear = mixed(images), torch.nn.Linear(6, 10)
    tokens, logits, clean = torch.randn(12, 17, 6), torch.randn(12, 10), torch.randn(12, 10)
    with torch.no_grad():
        ours = [float(token_loss(linear, tokens, mix, 0.1, 1)), float(consistency_loss(logits, clean, mix))]
    weight, bias = (p.detach().double().numpy() for p in (linear.weight, linear.bias))
    labels, area_shares, own_patches = mix.pool_scores.double().numpy(), area_of(mix), patches_of(mix)
    of_tokens = divergence = 0.0
    for i in range(12):
        partner = int(mix.partner[i])
        for parts, label in ((own_patches[i], labels[i]), (1 - own_patches[i], labels[partner])):
            if parts.sum() > 0:
                mean = (parts[:, None] * tokens[i, 1:].double().numpy()).sum(0) / parts.sum()
                smooth = 0.9 * label + 0.01
                of_tokens -= (smooth * np.log(softmax(weight @ mean + bias))).sum() / 2
        share = area_shares[i]
        target = softmax(share * clean[i].double().numpy() + (1 - share) * clean[partner].double().numpy())
        divergence += (target * (np.log(target) - np.log(softmax(logits[i].double().numpy())))).sum()
    return np.array([of_tokens, divergence]) / 12, np.array(ours)


def sums_of_shares(images: Array) -> tuple[Array, Array]:
    """How much of a label an image has: the importance that is left in both, each map being of sum 1."""
    rated = np.stack([np.abs(image).sum(0) for image in images[:60]])
    guide = FixedGuide(torch.from_numpy(rated)[:, None].float())
    mix = TokenMix(patch_size=4, guide=guide, lam_mode='elem').mix(
        torch.from_numpy(images[:60]).float(), torch.eye(len(rated))
    )
    rated = rated / rated.sum((1, 2), keepdims=True)
    masks = mix.mask[:, 0].double().numpy()
    theirs = (rated * masks).sum((1, 2)) + (rated[mix.partner.numpy()] * (1 - masks)).sum((1, 2))
    return theirs, mix.scores.sum(1).numpy()


def aligned(images: Array) -> tuple[Array, Array]:
    """The plan of entropic transport between the positions of two maps, by 100 rounds of Sinkhorn."""
    own, other = torch.rand(3, 8, 3, 3), torch.rand(3, 8, 3, 3)
    theirs = []
    for a, b in zip(own.double().numpy().reshape(3, 8, 9), other.double().numpy().reshape(3, 8, 9), strict=True):
        cost = np.array([[((a[:, i] - b[:, j]) ** 2).sum() for j in range(9)] for i in range(9)])
        kernel, rows, columns = np.exp(-cost / 0.1), np.ones(9), np.ones(9)
        for _ in range(100):
            rows = 1 / (kernel @ columns)
            columns = 1 / (kernel.T @ rows)
        theirs.append(rows[:, None] * kernel * columns)
    return np.array(theirs), sinkhorn(own, other, 0.1, 100).numpy()


def entries() -> list[Given]:
    """Label policies, and the parts of mixers that are no mask."""
    share, whole = 'own share', 'code; masks of whole patches'
    return [
        Given('mixers', 'SMMix', 'token losses (half each) and consistency, given tokens and logits', 'code', 'losses',
              smmix_losses),
        Given('mixers', 'TokenMix', 'both shares are the importance that is left, as they are', 'code',
              'sum of a label', sums_of_shares, why='they are divided by their sum'),
        Given('mixers', 'AlignMix', 'Sinkhorn between the positions of two maps, entropy 0.1', 'code, 100 rounds',
              'transport plan', aligned),
        Given('labels', 'Area', 'the part of the pixels', 'paper', 'both shares', area),
        Given('labels', 'TransMix', 'mean of area and attention of the class token', whole, share, transmix(True),
              config='transmix'),
        Given('labels', 'TransMix', 'the same, each patch by its first pixel', 'code; boxes of any pixels', share,
              transmix(False), ours='boxes of any pixels', why='a patch on the edge of the box counts by its area'),
        Given('labels', 'TransMix', 'the same, each patch by its first pixel', 'code; boxes of any pixels', share,
              transmix(False, rounded=True), ours='rounded=True'),
        Given('labels', 'ProgressiveAttention', 'attention and area by the cosine of prediction and smoothed label',
              whole, share, progressive(0.1), config='mixpro'),
        Given('labels', 'ProgressiveAttention', 'the same with the label as it is', 'paper', share, progressive(0.0),
              ours='smoothing=0'),
        Given('labels', 'TLAlign', 'labels of tokens carried through the attention of all blocks', whole,
              'label vectors', tl_align, config='tlalign'),
        Given('labels', 'LUMix', 'a tenth of confidence, p_own / (p_own + p_partner), without noise', LUMIX, share,
              confidence, ours='r_n=0', config='lumix'),
        Given('labels', 'LUMix', 'noise alone is Beta(1, 1)', LUMIX, 'deciles of the own share', noise,
              ours='r_s=0, r_n=1', near=0.02),
    ]  # fmt: skip


LUMIX = 'our reading of the abstract'
