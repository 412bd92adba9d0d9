"""The certificates to trust, which a connection or the environment names as a file or a folder."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from airflow_provider_objectstore.exceptions import ConfigurationError


class Certificates(NamedTuple):
    """
    A file of certificates to trust, or a folder of them.

    :param path: its path.
    :param named_by: what names it, for messages.
    """

    path: str
    named_by: str

    @property
    def version(self) -> tuple[int, int, int] | None:
        """What differs after they were renewed: time of the change, size and inode; None if nothing is there."""
        try:
            found = Path(self.path).stat()
        except (OSError, ValueError):
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def require_readable(self) -> None:
        """
        Check that they can be read.

        :raises ConfigurationError: if they cannot. It says what names them.
        """
        _require_readable(self, self.version)

    def require_file(self) -> None:
        """
        Check that they are a file that can be read: S3 clients take no folder.

        :raises ConfigurationError: if they are not. It says what names them.
        """
        self.require_readable()
        if Path(self.path).is_dir():
            raise ConfigurationError(
                f"{self.named_by} is the folder {self.path}, and S3 clients read certificates of a file only: set "
                "AWS_CA_BUNDLE or verify of the connection to a file with those to trust"
            )


def find_certificates(verify: bool | str, *variables: str) -> Certificates | None:
    """
    Return the certificates that a connection names, else those that the environment names.

    :param verify: the connection's; a path, True for the environment's, False for none.
    :param variables: environment variables; the first that is not empty counts.
    :return: None if nothing names any.
    """
    if verify is False:
        return None
    if isinstance(verify, str) and verify.strip():
        return Certificates(verify, "verify of the connection")
    for name in variables:
        if (path := os.environ.get(name, "")).strip():
            return Certificates(path, f"the environment variable {name}")
    return None


def create_context(path: str | None) -> ssl.SSLContext:
    """
    Return a client's settings for TLS. This reads the certificates, which may take tens of milliseconds.

    :param path: the file or folder of the certificates to trust; None for no check.
    """
    if path is None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if Path(path).is_dir():
        return ssl.create_default_context(capath=path)
    return ssl.create_default_context(cafile=path)


@lru_cache(maxsize=16)
def _require_readable(certificates: Certificates, version: object) -> None:
    path = certificates.path
    try:
        if Path(path).is_dir():
            next(Path(path).iterdir(), None)  # OpenSSL takes a folder that it cannot read for an empty one
        create_context(path)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{certificates.named_by} is {path}, where no certificates can be read: {error}. Correct it, or leave it "
            "empty for the usual ones"
        ) from error
