"""The composition root: puts the rooms together; the only one that knows them all."""

from pipeline.app.browse import list_studies, schema, serve_ui, show_study
from pipeline.app.confirmation import Candidates
from pipeline.app.doctor import Diagnosis, examine
from pipeline.app.judgement import ConfirmedStudy
from pipeline.app.refit import Refit, refit
from pipeline.app.reproduction import Reproduction, reproduce
from pipeline.app.study import Study, StudyResult
from pipeline.app.workspace import Workspace

__all__ = [
    "Candidates",
    "ConfirmedStudy",
    "Diagnosis",
    "Refit",
    "Reproduction",
    "Study",
    "StudyResult",
    "Workspace",
    "examine",
    "list_studies",
    "refit",
    "reproduce",
    "schema",
    "serve_ui",
    "show_study",
]
