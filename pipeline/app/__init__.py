"""The composition root: puts the rooms together; the only one that knows them all."""

from pipeline.app.browse import list_studies, schema, serve_ui, show_study
from pipeline.app.place import Place
from pipeline.app.reproduction import Reproduction, reproduce
from pipeline.app.study import Study, StudyResult

__all__ = [
    "Place",
    "Reproduction",
    "Study",
    "StudyResult",
    "list_studies",
    "reproduce",
    "schema",
    "serve_ui",
    "show_study",
]
