"""A hook for tests: every rank writes its weights, its hard-sample table and the shares that it drew."""

from pathlib import Path

import torch
from mmengine import dist
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper


class RankDump(Hook):
    """Write ``rank<k>.pt`` into the work dir at the end of training."""

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.lam: list[float] = []

    def before_train(self, runner) -> None:
        """Remember the table that training starts from."""
        self.start = self._model(runner).hard_table.state_dict()
        self.epoch = runner.epoch

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Remember the drawn share."""
        self.lam.append(float(outputs['lam']))

    def after_train(self, runner) -> None:
        """Write."""
        model = self._model(runner)
        torch.save(
            dict(
                weights=model.state_dict(),
                table=model.hard_table.state_dict(),
                lam=self.lam,
                start=self.start,
                start_epoch=self.epoch,
                epochs=runner.epoch,
                lr=runner.optim_wrapper.get_lr()['lr'],
            ),
            Path(runner.work_dir) / f'rank{dist.get_rank()}.pt',
        )

    @staticmethod
    def _model(runner):
        return runner.model.module if is_model_wrapper(runner.model) else runner.model
