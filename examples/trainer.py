"""The same CNN trained by tp.Trainer: callbacks, a log, checkpoints and the best weights."""

import tempfile
from pathlib import Path

from cnn import Net
from example_data import digits, options

import tensorplug as tp
from tensorplug import trainer
from tensorplug.utils.data import DataLoader, TensorDataset


class Digits(Net):
    """The network, and how to train and validate it."""

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return tp.nn.functional.nll_loss(self(images), labels)

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        scores = self(images)
        hits = (scores.argmax(1) == labels).float()
        return {"loss": tp.nn.functional.nll_loss(scores, labels), "accuracy": hits.mean()}

    def configure_optimizers(self):
        optimizer = tp.optim.AdamW(self.parameters(), lr=1e-2)
        return optimizer, tp.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)


def main(argv=None):
    args = options(__doc__, argv)
    tp.manual_seed(0)
    images, labels = (tp.from_numpy(part) for part in digits(800 if args.quick else None))
    cut = len(labels) * 4 // 5
    train = DataLoader(TensorDataset(images[:cut], labels[:cut]), batch_size=64, shuffle=True)
    valid = DataLoader(TensorDataset(images[cut:], labels[cut:]), batch_size=256)
    model = Digits()
    tp.summary(model, images[:1])
    with tempfile.TemporaryDirectory() as folder:
        best = trainer.ModelCheckpoint(folder, monitor="val_accuracy", mode="max")
        log = trainer.CSVLogger(Path(folder) / "metrics.csv")
        fit = tp.Trainer(
            max_epochs=6 if args.quick else 40,
            device=args.device,
            callbacks=[
                best,
                trainer.EarlyStopping("val_loss", patience=8),
                trainer.LearningRateMonitor(),
                trainer.ProgressBar(["train_loss", "val_loss", "val_accuracy"]),
            ],
            logger=log,
        )
        fit.fit(model, train, valid)
        print(f"{len(log.read())} rows logged; best: {best.best_model_path.name}")
        model.load_state_dict(tp.load(best.best_model_path)["model"])
    found = fit.validate(model, valid)
    print(f"validation accuracy of the best weights {found['val_accuracy']:.1%}")
    return {"accuracy": found["val_accuracy"], "best": best.best_model_score}


if __name__ == "__main__":
    main()
