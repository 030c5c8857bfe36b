"""The answer that is shown of what is stored."""

from pipeline.app.browse import _summary
from pipeline.search.store import TrialStore
from tests.search.studies import Stores, study


def test_a_stored_file_that_this_version_refuses_has_no_answer_and_is_no_error() -> None:
    stores = Stores()
    stores.run(study(trials=9, sampler="random"))
    store = TrialStore(stores.storage, "small")
    assert _summary(store) is not None
    document = store.document
    assert document is not None
    study_id = stores.storage.get_study_id_from_name("small")
    stores.storage.set_study_user_attr(study_id, "document", document | {"later": 1})
    assert _summary(TrialStore(stores.storage, "small")) is None
