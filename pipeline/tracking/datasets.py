"""The data set as MLflow's runs name it: by a digest over its whole content."""

import json

from mlflow.entities import Dataset, DatasetInput, InputTag

from pipeline.trial import Facts

LARGEST_DIGEST = 36
"""Characters that MLflow's column holds; the whole SHA-256 stands in the source and profile."""


def dataset_input(name: str, facts: Facts) -> DatasetInput:
    """Describe the data that a trial was trained on."""
    digests = {"sha256": facts.data_sha256, "split_sha256": facts.split_sha256}
    dataset = Dataset(
        name=name,
        digest=facts.data_sha256[:LARGEST_DIGEST],
        source_type="local",
        source=json.dumps({"name": name, "sha256": facts.data_sha256}),
        profile=json.dumps(digests),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])
