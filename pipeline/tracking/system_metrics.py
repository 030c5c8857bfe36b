"""What the machine does while a study runs, by MLflow's own monitor."""

from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor


class SystemMetrics:
    """Logs processor, memory, disk and network to a study's run every ten seconds.

    The monitor has a thread of its own. A study that goes on continues behind the last step.

    Args:
        tracking_uri: MLflow's address.
    """

    def __init__(self, tracking_uri: str) -> None:
        self._uri = tracking_uri
        self._monitor: SystemMetricsMonitor | None = None

    def watch(self, run_id: str) -> None:
        """Begin to log to a run; what was begun before ends."""
        self.end()
        self._monitor = SystemMetricsMonitor(  # type: ignore[no-untyped-call]
            run_id, resume_logging=True, tracking_uri=self._uri
        )
        self._monitor.start()  # type: ignore[no-untyped-call]

    def end(self) -> None:
        """Log what was measured last, and stop."""
        if self._monitor is not None:
            self._monitor.finish()  # type: ignore[no-untyped-call]
            self._monitor = None
