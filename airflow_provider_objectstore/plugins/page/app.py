"""The page's FastAPI application: its routes, its headers, and what it answers instead of errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from threading import Lock
from typing import Annotated, Any

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, RedirectResponse
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException as StarletteHTTPException

from airflow_provider_objectstore.exceptions import ObjectStoreError
from airflow_provider_objectstore.plugins.page.access import (
    GuardedRouter,
    ListedConnection,
    connections_of,
    is_fragment,
    is_whole,
    lacks_session,
    reason_of,
    sign_in_address,
)
from airflow_provider_objectstore.plugins.page.lookup import Opener, PageHook
from airflow_provider_objectstore.plugins.page.rendering import FOLDER, Links, render
from airflow_provider_objectstore.plugins.page.services import BusyError, Threads, Turns
from airflow_provider_objectstore.plugins.page.tasks import PARAMETERS as tasks_parameters
from airflow_provider_objectstore.plugins.page.tasks import tasks_reader
from airflow_provider_objectstore.plugins.page.views import CARDS, NO_PARAMETERS, Context, Parameters, View, all_views

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
STATIC_FILES = {path.name: path for path in (FOLDER / "static").iterdir()}

Message = MutableMapping[str, Any]
_app: SafePage | None = None
_lock = Lock()


def page_app() -> SafePage:
    """Return the page, which a process has once."""
    global _app
    with _lock:
        if _app is None:
            _app = SafePage(build_app(all_views()))
        return _app


def build_app(views: tuple[View, ...]) -> FastAPI:
    """
    Build the application.

    :param views: what it can show of a connection.
    """
    app = FastAPI(title="Object stores", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    by_name = {view.name: view for view in views}
    turns, rendering = Turns(), Threads(2)
    opener = Opener(Turns(4))  # of its own: a look-up never waits for a service
    guarded = GuardedRouter()

    def add(view: View, read: Callable[[PageHook, Parameters, Any], Awaitable[Context]]) -> None:
        guarded.add_for_connection(f"/{view.name}/", _endpoint(view, read, opener, rendering))

    guarded.add("/", _start(by_name))
    guarded.add("/open", _open)
    guarded.add("/static/{name}", _static)
    for view in views:
        add(view, _from_service(view, turns))
    add(View("connection", "Connection"), _cards(by_name))
    add(View("tasks", "DAGs and tasks", optional=tasks_parameters), _tasks())
    app.include_router(guarded.router)
    app.add_exception_handler(StarletteHTTPException, _explain)
    app.add_exception_handler(Exception, _apologize)
    return app


def _start(views: dict[str, View]) -> Callable[..., Response]:
    def start(request: Request, connections: Annotated[list[ListedConnection], Depends(connections_of)]) -> Response:
        cards = [(found, [views[name] for name in CARDS[found.service]]) for found in connections]
        return render(request, "start.html", {"cards": cards})

    return start


def _open(request: Request, id: str = "") -> Response:
    address = Links(request.scope["root_path"])("connection", id.strip()) if id.strip() else None
    if address is None:
        raise HTTPException(400, "This cannot be the id of a connection")
    return RedirectResponse(address, 303)


def _static(name: str) -> Response:
    if name not in STATIC_FILES:
        raise HTTPException(404, "There is no such file")
    return FileResponse(STATIC_FILES[name])


def _cards(views: dict[str, View]) -> Callable[[PageHook, Parameters, Any], Awaitable[Context]]:
    async def read(hook: PageHook, parameters: Parameters, user: Any) -> Context:
        return {"views": [views[name] for name in CARDS[hook.conn_type]]}

    return read


def _tasks() -> Callable[[PageHook, Parameters, Any], Awaitable[Context]]:
    read_tasks, threads = tasks_reader(), Threads(4)

    async def read(hook: PageHook, parameters: Parameters, user: Any) -> Context:
        return await threads.run(partial(read_tasks, hook, parameters, user))

    return read


def _endpoint(
    view: View,
    read: Callable[[PageHook, Parameters, Any], Awaitable[Context]],
    opener: Opener,
    rendering: Threads,
) -> Callable[..., Awaitable[Response]]:
    """Return what answers the addresses of a view: with its shell, or with what it reads for the user."""

    async def endpoint(request: Request, connection_id: str, user: GetUserDep) -> Response:
        parameters = _parameters_of(view, request)
        shell = {"connection_id": connection_id, "parameters": {**NO_PARAMETERS, **parameters}}
        shell.update(title=view.title, name=view.name)

        async def content() -> Context:
            hook = await opener.open(connection_id, user, view.service)
            return {**shell, **await read(hook, parameters, user)}

        return await _answer(request, shell, f"{view.name}.html", content, rendering)

    return endpoint


def _from_service(view: View, turns: Turns) -> Callable[[PageHook, Parameters, Any], Awaitable[Context]]:
    read_view = view.read
    assert read_view is not None

    async def read(hook: PageHook, parameters: Parameters, user: Any) -> Context:
        key = (view.name, hook.state, *sorted(parameters.items()))
        return await turns.run(hook.labels["conn_id"], key, view.keep, partial(read_view, hook, parameters))

    return read


def _parameters_of(view: View, request: Request) -> Parameters:
    """Return a view's parameters. Empty ones count as missing."""
    names = (*view.required, *view.optional)
    given = {name: value for name in names if (value := request.query_params.get(name))}
    if missing := set(view.required) - set(given):
        raise HTTPException(400, f"The address lacks {', '.join(sorted(missing))}")
    return given


async def _answer(
    request: Request, shell: Context, template: str, read: Callable[[], Awaitable[Context]], rendering: Threads
) -> Response:
    """Answer with the shell, which is there at once, or with what is read from the service."""
    if not (is_fragment(request) or is_whole(request)):
        return render(request, "shell.html", {**shell, "content": None})
    try:
        context = await read()
        return await rendering.run(partial(_content, request, shell, template, context, 200))
    except BusyError as error:
        context, status = {"error": str(error), "busy": True}, 503
    except ObjectStoreError as error:
        # The page itself works: what the service says is its content.
        context, status = {"error": str(error), "busy": False}, 200
    return _content(request, shell, "error.html", context, status)


def _content(request: Request, shell: Context, content: str, context: Context, status: int) -> Response:
    if is_fragment(request):
        return render(request, content, context, status, fragment=True)
    return render(request, "shell.html", {**shell, **context, "content": content}, status)


async def _explain(request: Request, error: Exception) -> Response:
    """Answer an HTTP error: without session the page leads to the sign-in, a part of it says so."""
    assert isinstance(error, StarletteHTTPException)
    signed_out = lacks_session(error)
    if (
        signed_out
        and not is_fragment(request)
        and not request.url.path.startswith(f"{request.scope['root_path']}/static/")
    ):
        return RedirectResponse(sign_in_address(request), 303)
    context = {
        "status": error.status_code,
        "detail": reason_of(error),
        "sign_in": sign_in_address(request) if signed_out else None,
    }
    return _refusal(request, context, 401 if signed_out else error.status_code)


async def _apologize(request: Request, error: Exception) -> Response:
    """Answer an error that nobody expects. It is raised again, and so logged; what it says may be secret."""
    context = {"status": 500, "detail": "Something went wrong. The API server's log says what.", "sign_in": None}
    return _refusal(request, context, 500)


def _refusal(request: Request, context: Context, status: int) -> Response:
    fragment = is_fragment(request)
    return render(request, "refusal.html" if fragment else "refused.html", context, status, fragment=fragment)


class SafePage:
    """
    Gives every response of the page the headers of :data:`HEADERS`, those to errors included.

    :param app: the application.
    """

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Any, send: Callable[[Message], Awaitable[None]]) -> None:
        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        await self._app(scope, receive, send_safely)
