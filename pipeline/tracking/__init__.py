"""MLflow lives only here: writing the ledger, reading it back, showing it.

Importing the package and its module ``store`` costs nothing; its other modules import MLflow (a
second).
"""

import logging
import os

# MLflow reads these when it is imported, so they are set in the package that comes before it.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
