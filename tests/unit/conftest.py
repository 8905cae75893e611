"""Every configuration that a test has the reader accept is held against the schema that editors have, too."""

from collections.abc import Iterator

import pytest
from tests.schemas import configurations

from roost.standalone import loader
from roost.standalone.document import Document, Found
from roost.standalone.findings import read_sections
from roost.standalone.schema import FileSection


@pytest.fixture(scope="session", autouse=True)
def what_is_accepted_fits_the_schema() -> Iterator[None]:
    def checked(document: Document) -> tuple[FileSection | None, list[Found]]:
        sections, found = read_sections(document)
        if sections is not None and not document.findings:
            configurations().validate(document.root.plain())
        return sections, found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loader, "read_sections", checked)
        yield
