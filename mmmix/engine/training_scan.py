"""What does the network make of the training set? One pass over it with the test-time pipeline."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmengine import dist
from mmengine.dataset import Compose
from mmengine.utils import ProgressBar
from torch import Tensor
from torch.utils.data import DataLoader

from ..models.classifiers.targets import scores_of
from ..probes.untouched import untouched
from .sample_identity import IdentifiedFetch
from .sampling import batch_size_of


def with_pipeline(dataset: Any, pipeline: Any) -> Any:
    """A view of a data set that runs another pipeline; the annotations are shared and the data set stays as it is.

    Args:
        dataset (Dataset): MMEngine's data set, possibly wrapped.
        pipeline (Callable): From a sample's annotation to its inputs.

    Returns:
        Dataset: The view.
    """
    view = object.__new__(type(dataset))
    inner = vars(dataset)
    view.__dict__.update(inner)
    view.__dict__.pop('__getitems__', None)
    if 'pipeline' in inner:
        view.pipeline = pipeline
    elif 'datasets' in inner:
        view.datasets = [with_pipeline(part, pipeline) for part in dataset.datasets]
    else:
        name = next((name for name in ('dataset', '_dataset') if name in inner), None)
        if name is None:
            raise TypeError(
                f'Cannot exchange the pipeline of a {type(dataset).__name__}: it has no `pipeline`, `dataset` or '
                '`datasets`. Leave out `scan_interval`.'
            )
        setattr(view, name, with_pipeline(inner[name], pipeline))
    return view


def find_test_pipeline(config: Mapping, *loaders: Any) -> Any:
    """The pipeline that a run evaluates with.

    Args:
        config (Mapping): The config of the run; its ``val_dataloader``, else its ``test_dataloader`` is looked at.
        loaders (DataLoader): Loaders for evaluation that were built already; they come first.

    Returns:
        Callable: From a sample's annotation to its inputs.

    Raises:
        ValueError: If the run evaluates nothing.
    """
    for found in (*loaders, config.get('val_dataloader'), config.get('test_dataloader')):
        while found is not None:
            get = found.get if isinstance(found, dict) else vars(found).get
            if get('pipeline') is not None:
                pipeline = get('pipeline')
                return Compose(pipeline) if isinstance(pipeline, (list, tuple)) else pipeline
            found = get('dataset') or get('_dataset') or next(iter(get('datasets') or ()), None)
    raise ValueError(
        'Looking at the training set needs the test-time pipeline: give the config a `val_dataloader` or a '
        '`test_dataloader` with a `pipeline`, or leave out `scan_interval`.'
    )


def look(
    model: Any, loader: DataLoader, pipeline: Any, found: Callable[[Tensor, Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Look at this rank's part of the training set, without a trace on the model or the random state.

    The ranks take turns over the samples and none is repeated to even them out.

    Args:
        model (MixClassifier): The classifier, not wrapped.
        loader (DataLoader): The training loader; its data set, batch size and number of workers are used.
        pipeline (Callable): The test-time pipeline.
        found (Callable[[Tensor, Tensor], Tensor]): From logits and labels, both ``(N, K)``, to what is wanted.

    Returns:
        tuple[Tensor, Tensor]: Indices of samples in the training set, ``(n,)``, and what was found of each,
        ``(n, ...)``, both on the CPU.
    """
    view = with_pipeline(loader.dataset, pipeline)
    view.__getitems__ = IdentifiedFetch(view)
    turns = range(dist.get_rank(), len(view), dist.get_world_size())
    batches = DataLoader(
        view,
        batch_size=batch_size_of(loader) or 64,
        sampler=turns,
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        generator=torch.Generator(),
    )
    bar = ProgressBar(len(turns), file=sys.stdout) if dist.is_main_process() else None
    sample_idx: list[int] = []
    outcomes = []
    with untouched(model), torch.no_grad():
        for batch in batches:
            data = model.data_preprocessor(batch, False)
            samples = data['data_samples']
            logits = model.head(model.extract_feat(data['inputs']))
            outcomes.append(found(logits, scores_of(samples, model.num_classes, logits.device)).cpu())
            sample_idx += [sample.get('sample_idx') for sample in samples]
            if bar is not None:
                bar.update(len(samples))
    if bar is not None:
        bar.file.write('\n')
    idx = torch.tensor(sample_idx, dtype=torch.long)
    known = idx >= 0
    nothing = found(torch.zeros(0, model.num_classes), torch.zeros(0, model.num_classes))
    return idx[known], torch.cat([nothing, *outcomes])[known]
