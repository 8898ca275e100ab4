"""Build the node image and give it to the outer dockerd, beside the start of the services."""

import threading
import time

import docker.errors
import requests

from magnum_lite.local import dockerd, image, state, status

ENGINE_SECONDS = 400.0
TRIES = 3
POLL_SECONDS = 0.2


class EngineSilentError(Exception):
    """The outer dockerd did not come up, so the node image could not be imported."""


class ImageThread(threading.Thread):
    """Builds the node image if it is not cached and imports it if dockerd has it not. ``what`` says
    what was done.
    """

    def __init__(self, settings: state.Settings) -> None:
        super().__init__(daemon=True, name="node-image")
        self._settings = settings
        self._error: Exception | None = None
        self.what = ""

    def run(self) -> None:
        """The thread's body."""
        started = time.monotonic()
        built = "cached" if image.path().exists() else "built"
        try:
            image.build()
            loaded = "imported" if self._load() else "present"
        except Exception as error:  # noqa: BLE001 -- raised again in the caller's thread
            self._error = error
            return
        self.what = f"{built}, {loaded} ({time.monotonic() - started:.1f} s)"

    def finish(self) -> None:
        """Wait for it. Raises what the thread raised: EngineSilentError, image.BuildError and others."""
        self.join()
        if self._error is not None:
            raise self._error

    def _load(self) -> bool:
        """Import; again when dockerd was restarted in the middle."""
        for attempt in range(1, TRIES + 1):
            self._wait_for_engine()
            client = dockerd.connect(self._settings, timeout=300)
            try:
                return image.load(client)
            except (docker.errors.DockerException, requests.RequestException):
                if attempt == TRIES:
                    raise
            finally:
                client.close()
        raise EngineSilentError

    def _wait_for_engine(self) -> None:
        """Of this supervisor's life: one that a killed supervisor left still answers, but not for long."""
        deadline = time.monotonic() + ENGINE_SECONDS
        while not (status.is_ready(self._settings, "dockerd") and dockerd.ready(self._settings)):
            if time.monotonic() > deadline:
                raise EngineSilentError("dockerd did not answer, so the node image was not imported")
            time.sleep(POLL_SECONDS)
