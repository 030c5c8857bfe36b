"""Where MLflow's page shows each study."""

from pathlib import Path

from pipeline.tracking import runs
from pipeline.tracking.client import connect, explained
from pipeline.tracking.home import artifact_root, tracking_uri

TRIALS_IN_ORDER = "workflowType=machine_learning&orderByKey=attributes.start_time&orderByAsc=true"


@explained
def study_pages(home: Path, address: str) -> dict[str, str]:
    """The page of each study's runs, the latest study first.

    MLflow's own list of experiments links to a page for language models, hence links of our own.

    Args:
        home: The home that is served.
        address: Any page of the server.
    """
    client = connect(tracking_uri(home), artifact_root(home))
    root = address.partition("#")[0]
    found = client.search_experiments(order_by=["creation_time DESC"])
    return {
        str(experiment.name): (
            f"{root}#/experiments/{experiment.experiment_id}/runs?{TRIALS_IN_ORDER}"
        )
        for experiment in found
        if runs.study_run(client, experiment.experiment_id)
    }
