"""Arguments are checked before the first request: an empty or missing value never makes a task do more."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, BaseOperator, TaskDeferred, XComArg
from airflow.sdk import ObjectStoragePath
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import pass_context

from airflow_provider_objectstore.emulator import Emulator
from airflow_provider_objectstore.exceptions import InvalidArgumentError, NotFoundError, StoreNotFoundError
from airflow_provider_objectstore.hooks.anypoint import AnypointObjectStoreHook
from airflow_provider_objectstore.hooks.civo import CivoObjectStoreHook
from airflow_provider_objectstore.operators.anypoint import (
    AnypointCreateStoreOperator,
    AnypointDeleteKeyOperator,
    AnypointDeleteStoreOperator,
    AnypointGetKeyOperator,
    AnypointPutKeyOperator,
)
from airflow_provider_objectstore.operators.base import CheckedArguments
from airflow_provider_objectstore.operators.civo import (
    CivoCreateCredentialOperator,
    CivoCreateObjectStoreOperator,
    CivoDeleteObjectStoreOperator,
    CivoUpdateCredentialOperator,
    CivoUpdateObjectStoreOperator,
)
from airflow_provider_objectstore.operators.purge import AnypointPurgePartitionsOperator
from airflow_provider_objectstore.operators.rotation import CivoRotateCredentialOperator
from airflow_provider_objectstore.operators.transfer import AnypointExportOperator, AnypointImportOperator
from airflow_provider_objectstore.publishers import AnypointKeyPublisher
from airflow_provider_objectstore.sensors.anypoint import AnypointKeySensor
from tests.operators.test_base import TASKS
from tests.test_arguments import ANYTHING, NOTHING
from tests.triggers.waiting import answers, run

ARGUMENTS = [(kind, name) for kind in TASKS for name in kind.arguments if issubclass(kind, CheckedArguments)]
KEY: dict[str, Any] = {"task_id": "write", "store_id": "s", "partition": "p", "key": "k"}
many = settings(max_examples=500, deadline=None)
each_argument = pytest.mark.parametrize(
    ("kind", "name"), ARGUMENTS, ids=lambda value: getattr(value, "__name__", value)
)


def rendered(task: Any, **values: Any) -> Any:
    """Return the task as it is after its templates have rendered as these values."""
    for name, value in values.items():
        assert name in task.template_fields
        setattr(task, name, value)
    return task


@pytest.fixture
def hook(emulator: Emulator) -> AnypointObjectStoreHook:
    hook = AnypointObjectStoreHook()
    hook.create_store("s")
    for partition in ("orders", "keep-me"):
        hook.put_many("s", partition, dict.fromkeys(["tmp-1", "live-1", "live-2"], "v")).raise_failed()
    return hook


class TestAnyRenderedValue:
    """Every argument of every operator and sensor, with any value that a template can render as."""

    @many
    @given(st.sampled_from(ARGUMENTS), ANYTHING)
    @pytest.mark.slow
    def test_it_is_read_or_refused(self, argument: tuple[type[BaseOperator], str], value: Any) -> None:
        kind, name = argument
        task: Any = kind(task_id="my_task", **given_as_template(kind, name))
        setattr(task, name, value)
        try:
            task.read_arguments()
        except InvalidArgumentError as error:
            assert "my_task" in str(error)
            assert name in str(error)

    @many
    @given(st.sampled_from(ARGUMENTS), ANYTHING)
    @pytest.mark.slow
    def test_a_constant_is_read_or_refused(self, argument: tuple[type[BaseOperator], str], value: Any) -> None:
        kind, name = argument
        with suppress(InvalidArgumentError):
            kind(task_id="my_task", **{**TASKS[kind], name: value})

    @each_argument
    def test_none_is_refused_where_something_was_given(self, kind: type[BaseOperator], name: str) -> None:
        if name not in kind.template_fields:
            pytest.skip("no template comes here")
        task: Any = kind(task_id="my_task", **given_as_template(kind, name))
        setattr(task, name, None)
        with pytest.raises(InvalidArgumentError, match=f"{name} .*None.*my_task"):
            task.read_arguments()


def given_as_template(kind: type[BaseOperator], name: str) -> dict[str, Any]:
    """Arguments of a task, one of which is a template, without the one that excludes it."""
    rival = {"include": "partitions", "object_store": "credential"}.get(name)
    given = {name: "{{ x }}"} if name in kind.template_fields else {}
    return {**{field: value for field, value in TASKS[kind].items() if field != rival}, **given}


class TestAnEmptyValueNeverWidensATask:
    @pytest.mark.parametrize("value", NOTHING, ids=repr)
    @pytest.mark.parametrize(
        "fields",
        [
            {"partitions": ["orders"], "key_prefix": "{{ x }}"},
            {"include": ["o*", "k*"], "exclude": "{{ x }}"},
            {"include": "{{ x }}"},
            {"partitions": "{{ x }}"},
        ],
        ids=lambda fields: "-".join(fields),
    )
    def test_a_purge_refuses_it(
        self, fields: dict[str, Any], value: Any, hook: AnypointObjectStoreHook, emulator: Emulator
    ) -> None:
        task = AnypointPurgePartitionsOperator(task_id="purge", store_id="s", **fields)
        before = emulator.requests()["total"]
        (name,) = (name for name, given in fields.items() if given == "{{ x }}")
        with pytest.raises(InvalidArgumentError, match=rf"^{name}.*\(task 'purge'\)"):
            run(rendered(task, **{name: value}))
        assert emulator.requests()["total"] == before

    @pytest.mark.parametrize("everything", ["*", "**", "?*", ["a*", "[!a]*"], ["orders", "*"]], ids=repr)
    def test_everything_needs_force(self, everything: Any, hook: AnypointObjectStoreHook) -> None:
        task = AnypointPurgePartitionsOperator(task_id="purge", store_id="s", include=everything)
        with pytest.raises(InvalidArgumentError, match="matches every partition of store s, which needs force=True"):
            run(task)
        assert len(list(hook.list_partitions("s"))) == 2
        run(AnypointPurgePartitionsOperator(task_id="purge", store_id="s", include=everything, force="True"))
        assert not list(hook.list_partitions("s"))

    @pytest.mark.parametrize("narrow", ["*s", "[a-z]*", "*[0-9]*", "o*", "[o]rders", "[!k]*"])
    def test_narrower_patterns_do_not(self, narrow: str, hook: AnypointObjectStoreHook) -> None:
        run(AnypointPurgePartitionsOperator(task_id="purge", store_id="s", include=narrow))

    @pytest.mark.parametrize(
        ("kind", "value"),
        [
            *((AnypointExportOperator, value) for value in NOTHING),
            *((AnypointImportOperator, value) for value in NOTHING if value not in ([], ())),  # that imports none
        ],
        ids=repr,
    )
    def test_a_transfer_refuses_it(self, kind: type[Any], value: Any, emulator: Emulator, tmp_path: Any) -> None:
        task = kind(task_id="t", store_id="s", path=tmp_path.as_uri(), partitions="{{ x }}")
        with pytest.raises(InvalidArgumentError, match=r"^partitions"):
            run(rendered(task, partitions=value))
        assert emulator.requests()["total"] == 0
        assert not list(tmp_path.iterdir())

    def test_what_is_left_out_is_no_mistake(self, hook: AnypointObjectStoreHook) -> None:
        task = AnypointPurgePartitionsOperator(
            task_id="purge", store_id="s", partitions="orders", key_prefix=None, include=None, exclude=None, region=None
        )
        assert run(task)["partitions"] == 1

    def test_a_natively_rendered_none(self, hook: AnypointObjectStoreHook) -> None:
        with DAG("d", schedule=None, render_template_as_native_obj=True) as dag:
            task = AnypointPurgePartitionsOperator(
                task_id="purge", store_id="s", partitions=["orders"], key_prefix="{{ params.prefix }}"
            )
        context: Any = {"params": {"prefix": None}}
        task.render_template_fields(context, dag.get_template_env())
        with pytest.raises(InvalidArgumentError, match="key_prefix was given and came out as None"):
            run(task)
        assert hook.partition_exists("s", "orders")


class TestMappedTasks:
    """A mapped None comes from another task and is an error; a None in ``partial`` is the author's own."""

    def unmap(self, mapped: Any, **values: Any) -> Any:
        return mapped.unmap(values)

    def test_none_from_the_mapping(self, emulator: Emulator) -> None:
        with DAG("d", schedule=None, start_date=datetime(2026, 1, 1)):
            mapped = AnypointPurgePartitionsOperator.partial(
                task_id="purge", store_id="s", include=None, region=None
            ).expand_kwargs([{"partitions": "orders", "key_prefix": None}, {"partitions": "orders", "key_prefix": "a"}])
            with pytest.raises(InvalidArgumentError, match="key_prefix was given and came out as None"):
                run(self.unmap(mapped, partitions="orders", key_prefix=None))
        assert emulator.requests()["total"] == 0

    def test_none_beside_it(self, hook: AnypointObjectStoreHook) -> None:
        with DAG("d", schedule=None, start_date=datetime(2026, 1, 1)):
            mapped = AnypointPurgePartitionsOperator.partial(
                task_id="purge", store_id="s", include=None, region=None
            ).expand(partitions=["orders"])
            assert run(self.unmap(mapped, partitions="orders"))["partitions"] == 1


class TestAMissingValue:
    """A template makes text of a missing value, which no argument takes for what was meant."""

    @pytest.fixture
    def stored(self, hook: AnypointObjectStoreHook) -> AnypointObjectStoreHook:
        hook.put_key("s", "p", "k", "good", metadata={"by": "good"})
        return hook

    def dag(self, *, native: bool = False) -> DAG:
        return DAG("d", schedule=None, start_date=datetime(2026, 1, 1), render_template_as_native_obj=native)

    def put(self, dag: DAG, missing: Any, **arguments: Any) -> None:
        with dag:
            task = AnypointPutKeyOperator(**{**KEY, "value": "v", **arguments})
        context: Any = {"missing": missing, "day": "today", "dag": dag}
        task.render_template_fields(context, dag.get_template_env())
        run(task)

    @pytest.mark.parametrize("missing", [None, "null", "", " \n"])
    @pytest.mark.parametrize(
        ("argument", "part"),
        [
            ({"value": "{{ missing }}"}, "value"),
            ({"value": " {{ missing }}"}, "value"),
            ({"metadata": "{{ missing }}"}, "metadata"),
            ({"metadata": {"runs": ["{{ missing }}"]}}, "metadata['runs'][0]"),
        ],
    )
    def test_it_is_not_written(
        self, argument: dict[str, Any], part: str, missing: Any, stored: AnypointObjectStoreHook
    ) -> None:
        with pytest.raises(InvalidArgumentError, match=rf"^{re.escape(part)} was rendered to .*task 'write'"):
            self.put(self.dag(), missing, **argument)
        entry = stored.get_key("s", "p", "k")
        assert (entry.value, entry.metadata) == ("good", {"by": "good"})

    @pytest.mark.parametrize("name", ["value", "metadata"])
    @pytest.mark.parametrize("missing", [None, ""])
    def test_nor_natively(self, missing: Any, name: str, stored: AnypointObjectStoreHook) -> None:
        with pytest.raises(InvalidArgumentError, match=f"^{name} .*task 'write'"):
            self.put(self.dag(native=True), missing, **{name: "{{ missing }}"})
        assert stored.get_key("s", "p", "k").value == "good"

    @pytest.mark.parametrize("text", ["None", "null", ""])
    def test_a_constant_is_what_was_meant(self, text: str, stored: AnypointObjectStoreHook) -> None:
        self.put(self.dag(), None, value=text, metadata={"by": text})
        entry = stored.get_key("s", "p", "k")
        assert (entry.value, entry.metadata) == (text, {"by": text})

    @pytest.mark.parametrize("text", ["None", "null", "{{ missing }}"])
    def test_so_is_the_output_of_a_task(self, text: str, stored: AnypointObjectStoreHook) -> None:
        with self.dag():
            task = AnypointPutKeyOperator(**KEY, value=AnypointGetKeyOperator(**{**KEY, "task_id": "read"}).output)
        task.value = text  # as Airflow sets it
        run(task)
        assert stored.get_key("s", "p", "k").value == text

    def test_a_natively_rendered_object(self, stored: AnypointObjectStoreHook) -> None:
        self.put(self.dag(native=True), 0, value="{{ missing }}", metadata={"by": "{{ missing }}"})
        entry = stored.get_key("s", "p", "k")
        assert (entry.value, entry.metadata) == (0, {"by": 0})

    @pytest.mark.parametrize("missing", [None, ""])
    def test_a_mapped_template(self, missing: Any, stored: AnypointObjectStoreHook) -> None:
        with self.dag() as dag:
            mapped = AnypointPutKeyOperator.partial(**KEY).expand(value=["{{ missing }}"])
            task = mapped.unmap({"value": "{{ missing }}"})
            context: Any = {"missing": missing, "dag": dag}
            task._do_render_template_fields(task, task.template_fields, context, dag.get_template_env(), set())
            with pytest.raises(InvalidArgumentError, match=r"^value was rendered to .*task 'write'"):
                run(task)
        assert stored.get_key("s", "p", "k").value == "good"

    @pytest.mark.parametrize("text", ["None", "{{ missing }}"])
    def test_a_mapped_output(self, text: str, stored: AnypointObjectStoreHook) -> None:
        with self.dag() as dag:
            mapped = AnypointPutKeyOperator.partial(**KEY).expand(value=[text])
            task = mapped.unmap({"value": text})
            # Airflow does not render what comes from another task.
            seen, env = {id(text)}, dag.get_template_env()
            task._do_render_template_fields(task, task.template_fields, {"missing": None}, env, seen)
            run(task)
        assert stored.get_key("s", "p", "k").value == text

    @pytest.mark.parametrize("missing", [None, ""])
    def test_it_is_no_default(self, missing: Any, stored: AnypointObjectStoreHook) -> None:
        with self.dag() as dag:
            task = AnypointGetKeyOperator(**{**KEY, "key": "not-there"}, default={"last": "{{ missing }}"})
        context: Any = {"missing": missing, "dag": dag}
        task.render_template_fields(context, dag.get_template_env())
        with pytest.raises(InvalidArgumentError, match=r"^default\['last'\] was rendered to .*task 'write'"):
            run(task)

    @pytest.mark.parametrize("native", [False, True])
    @pytest.mark.parametrize(
        ("argument", "name"),
        [
            ({"key": "run-{{ missing }}"}, "key"),
            ({"partition": "{{ 'a' }}{{ missing }}"}, "partition"),
            ({"key": "{% if true %}{{ missing }}{% endif %}-run"}, "key"),
            ({"value": "row {{ missing }}"}, "value"),
            ({"metadata": {"runs": ["run-{{ missing }}"]}}, "metadata"),
        ],
    )
    def test_it_is_no_part_of_an_argument(
        self, argument: dict[str, Any], name: str, native: bool, stored: AnypointObjectStoreHook, emulator: Emulator
    ) -> None:
        before = emulator.requests()["total"]
        message = rf"^{name}(\[.*\])? has a part that came out as None: .*\{{\{{ missing \}}\}}.*task 'write'"
        with pytest.raises(InvalidArgumentError, match=message):
            self.put(self.dag(native=native), None, **argument)
        assert emulator.requests()["total"] == before

    def test_nothing_may_be_meant(self, stored: AnypointObjectStoreHook) -> None:
        self.put(self.dag(), None, key="run-{{ missing or '' }}", value="None of {{ 5 }}")
        assert stored.get_key("s", "p", "run-").value == "None of 5"

    def test_a_dag_may_render_none_its_own_way(self, stored: AnypointObjectStoreHook) -> None:
        own = {"finalize": lambda value: "nothing" if value is None else value}
        dag = DAG("d", schedule=None, start_date=datetime(2026, 1, 1), jinja_environment_kwargs=own)
        self.put(dag, None, key="run-{{ missing }}")
        assert stored.get_key("s", "p", "run-nothing").value == "v"

    def test_its_way_may_ask_for_the_context(self, stored: AnypointObjectStoreHook) -> None:
        @pass_context
        def own(context: Any, value: Any) -> Any:
            return context["day"] if value is None else value

        dag = DAG("d", schedule=None, start_date=datetime(2026, 1, 1), jinja_environment_kwargs={"finalize": own})
        self.put(dag, None, key="run-{{ missing }}")
        assert stored.get_key("s", "p", "run-today").value == "v"

    @pytest.mark.parametrize("default", ["{{ missing }}", {"since": "{{ missing }}"}], ids=str)
    def test_none_as_a_whole_is_a_default(self, default: Any, stored: AnypointObjectStoreHook) -> None:
        with self.dag(native=True) as dag:
            task = AnypointGetKeyOperator(task_id="read", store_id="s", partition="p", key="not-there", default=default)
        context: Any = {"missing": None, "dag": dag}
        task.render_template_fields(context, dag.get_template_env())
        assert run(task)["value"] == (None if isinstance(default, str) else {"since": None})

    def test_it_is_no_part_of_what_a_sensor_waits_for(self, stored: AnypointObjectStoreHook) -> None:
        with self.dag() as dag:
            task = AnypointKeySensor(
                task_id="wait", store_id="s", partition="p", keys=["k", "run-{{ missing }}"], timeout=5, poke_interval=1
            )
        context: Any = {"missing": None, "dag": dag}
        task.render_template_fields(context, dag.get_template_env())
        with pytest.raises(AirflowFailException, match=r"^keys\[1\] has a part that came out as None"):
            run(task)

    def test_it_is_no_part_of_a_path_object(self, stored: AnypointObjectStoreHook, emulator: Emulator) -> None:
        with self.dag() as dag:
            path = ObjectStoragePath("osv2://anypoint_default@s/run-{{ missing }}")
            task = AnypointExportOperator(task_id="save", store_id="s", path=path)
        context: Any = {"missing": None, "dag": dag}
        task.render_template_fields(context, dag.get_template_env())
        before = emulator.requests()["total"]
        with pytest.raises(InvalidArgumentError, match=r"^path has a part that came out as None.*task 'save'"):
            run(task)
        assert emulator.requests()["total"] == before

    def test_it_is_no_attribute_of_a_store(self, stored: AnypointObjectStoreHook, emulator: Emulator) -> None:
        with self.dag() as dag:
            task = AnypointCreateStoreOperator(task_id="new", store_id="new", attributes={"note": "{{ missing }}"})
        context: Any = {"missing": None, "dag": dag}
        task.render_template_fields(context, dag.get_template_env())
        before = emulator.requests()["total"]
        with pytest.raises(InvalidArgumentError, match=r"^attributes\['note'\] was rendered to 'None'.*task 'new'"):
            run(task)
        assert emulator.requests()["total"] == before

    def test_a_name_is_not_the_templates_own_text(self, emulator: Emulator) -> None:
        with self.dag() as dag:
            task = AnypointCreateStoreOperator(task_id="new", store_id="{{ missing }}")
        context: Any = {"missing": "", "dag": dag}
        task.render_template_fields(context, dag.get_template_env())
        with pytest.raises(InvalidArgumentError, match=r"^store_id must not be empty"):
            run(task)
        assert emulator.requests()["total"] == 0


class TestRegionAndConnection:
    """Only None means the connection's region."""

    @pytest.mark.parametrize("region", ["", " ", "None", [], 0], ids=repr)
    @pytest.mark.parametrize("kind", TASKS, ids=lambda kind: kind.__name__)
    def test_an_empty_region_is_refused(self, kind: type[BaseOperator], region: Any, emulator: Emulator) -> None:
        with pytest.raises(InvalidArgumentError, match=r"^region must .*\(task 't'\)"):
            kind(task_id="t", **TASKS[kind], region=region)
        task: Any = rendered(kind(task_id="t", **TASKS[kind], region="{{ x }}"), region=region)
        with pytest.raises(InvalidArgumentError, match=r"^region must .*\(task 't'\)"):
            task.read_arguments()

    def test_nothing_is_deleted_in_the_connections_region(self, emulator: Emulator) -> None:
        hook = CivoObjectStoreHook()
        hook.create_object_store("photos")
        for region in ("", None, "None", " "):
            task = CivoDeleteObjectStoreOperator(
                task_id="t", object_store="photos", region="{{ x }}", delete_contents=True
            )
            with pytest.raises(InvalidArgumentError, match="region"):
                run(rendered(task, region=region))
        assert hook.find_object_store("photos")

    def test_blanks_are_stripped(self, emulator: Emulator) -> None:
        here, there = CivoObjectStoreHook(), CivoObjectStoreHook(" civo_default ", region="FRA1 ")
        there.create_object_store("photos")
        assert here.find_object_store("photos") is None
        run(CivoDeleteObjectStoreOperator(task_id="t", object_store="photos", region=" FRA1", delete_contents=True))
        assert there.find_object_store("photos") is None

    def test_a_publisher(self) -> None:
        for wrong in ({"region": ""}, {"anypoint_conn_id": " "}, {"key": "None"}, {"partition": None}):
            with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
                AnypointKeyPublisher(**{"store_id": "s", "partition": "p", "key": "k", **wrong})


class TestTextOfAList:
    TEXT = "['a', 'b']"

    @pytest.mark.parametrize(
        "task",
        [
            lambda: AnypointKeySensor(task_id="t", store_id="s", partition="p", keys="{{ x }}"),
            lambda: AnypointPurgePartitionsOperator(task_id="t", store_id="s", partitions="{{ x }}"),
            lambda: AnypointPurgePartitionsOperator(task_id="t", store_id="s", include="{{ x }}"),
            lambda: AnypointExportOperator(task_id="t", store_id="s", path="file:///tmp/x", partitions="{{ x }}"),
            lambda: AnypointGetKeyOperator(task_id="t", store_id="s", partition="p", key="{{ x }}"),
        ],
    )
    def test_it_names_nothing(self, task: Any, emulator: Emulator) -> None:
        made = task()
        (name,) = (name for name in made.template_fields if getattr(made, name) == "{{ x }}")
        rendered(made, **{name: self.TEXT})
        with pytest.raises(InvalidArgumentError, match=r"text of a list.*task\.output.*render_template_as_native_obj"):
            made.read_arguments()
        with pytest.raises(Exception, match=r"text of a list.*task\.output.*render_template_as_native_obj"):
            run(made)
        assert emulator.requests()["total"] == 0

    def test_a_value_may_be_one(self, hook: AnypointObjectStoreHook) -> None:
        run(AnypointPutKeyOperator(task_id="t", store_id="s", partition="p", key="k", value=self.TEXT))
        assert hook.get_key("s", "p", "k").value == self.TEXT


class TestDurations:
    @pytest.mark.parametrize("five_minutes", [300, "300", timedelta(minutes=5), "PT5M"], ids=repr)
    def test_alike_wherever_a_time_is_an_argument(self, five_minutes: Any) -> None:
        sensor = AnypointKeySensor(
            task_id="t",
            store_id="s",
            partition="p",
            keys="k",
            poke_interval=five_minutes,
            timeout=five_minutes,
            max_wait=five_minutes,
        )
        assert sensor.max_wait == timedelta(minutes=5)
        create: Any = CivoCreateObjectStoreOperator(
            task_id="t", name="photos", poke_interval=five_minutes, timeout=five_minutes
        )
        rotate: Any = CivoRotateCredentialOperator(
            task_id="t", credential="mine", grace_period=five_minutes, settle_timeout=five_minutes
        )
        store: Any = AnypointCreateStoreOperator(
            task_id="t", store_id="s", default_ttl=five_minutes, default_confirmation_ttl=five_minutes
        )
        for task in (create, rotate, store):
            task.read_arguments()
        assert {
            sensor.poke_interval,
            sensor.timeout,
            create.poke_interval,
            create.timeout,
            rotate.grace_period,
            rotate.settle_timeout,
            store.default_ttl,
            store.default_confirmation_ttl,
        } == {300}

    @pytest.mark.parametrize(
        "wrong",
        [{"timeout": None}, {"timeout": "soon"}, {"poke_interval": -1}, {"poke_interval": float("nan")}],
        ids=repr,
    )
    @pytest.mark.parametrize("deferrable", [False, True])
    def test_nothing_is_created_and_then_refused(self, wrong: Any, deferrable: bool, emulator: Emulator) -> None:
        with pytest.raises(InvalidArgumentError, match=rf"^{next(iter(wrong))} .*\(task 't'\)"):
            CivoCreateObjectStoreOperator(task_id="t", name="photos", deferrable=deferrable, **wrong)
        late = rendered(CivoCreateObjectStoreOperator(task_id="t", name="photos", deferrable=deferrable), **wrong)
        with pytest.raises(InvalidArgumentError, match=rf"^{next(iter(wrong))} .*\(task 't'\)"):
            run(late)
        assert emulator.requests()["total"] == 0

    @pytest.mark.parametrize("deferrable", [False, True])
    def test_a_store_is_waited_for(self, deferrable: bool, emulator: Emulator) -> None:
        task = CivoCreateObjectStoreOperator(
            task_id="t", name="photos", poke_interval="PT0.05S", timeout="60", deferrable=deferrable
        )
        assert run(task)["status"] == "ready"


class TestFlagsAndNumbers:
    def test_text_is_read(self, emulator: Emulator) -> None:
        hook = CivoObjectStoreHook()
        run(CivoCreateObjectStoreOperator(task_id="t", name="photos", size_gb="1000", wait="False"))
        store = hook.find_object_store("photos")
        assert store
        assert store.max_size_gb == 1000
        hook.create_credential("mine")
        run(CivoUpdateCredentialOperator(task_id="t", credential="mine", suspended="True", max_size_gb="1000"))
        mine = hook.find_credential("mine")
        assert mine
        assert mine.suspended
        run(CivoDeleteObjectStoreOperator(task_id="t", object_store="photos", delete_contents="true"))
        assert hook.find_object_store("photos") is None
        made = run(AnypointCreateStoreOperator(task_id="t", store_id="s", encrypted="True", default_ttl="60"))
        assert (made["encrypted"], made["default_ttl_seconds"]) == (True, 60)
        AnypointObjectStoreHook().put_key("s", "p", "k", "12345")
        get = {"task_id": "t", "store_id": "s", "partition": "p", "key": "k"}
        assert run(AnypointGetKeyOperator(**get, max_xcom_bytes="5"))["value"] == "12345"
        purge = {"task_id": "t", "store_id": "s", "partitions": "p", "max_concurrency": "4", "max_failures": "0"}
        assert (
            run(AnypointPurgePartitionsOperator(**purge, requests_per_second="50", max_rounds="1"))["partitions"] == 1
        )

    @pytest.mark.parametrize(
        ("kind", "wrong"),
        [
            (AnypointGetKeyOperator, {"max_xcom_bytes": "many"}),
            (AnypointCreateStoreOperator, {"encrypted": "yes"}),
            (AnypointCreateStoreOperator, {"attributes": "a=1"}),
            (CivoCreateObjectStoreOperator, {"size_gb": "501"}),
            (CivoCreateObjectStoreOperator, {"name": "a b"}),
            (CivoCreateObjectStoreOperator, {"wait": "perhaps"}),
            (CivoCreateObjectStoreOperator, {"access_key_id": ""}),
            (CivoUpdateObjectStoreOperator, {"max_size_gb": -500}),
            (CivoUpdateCredentialOperator, {"suspended": ""}),
            (CivoCreateCredentialOperator, {"publishers": AnypointKeyPublisher("s", "p", "k")}),
            (CivoRotateCredentialOperator, {"publishers": ["mine"]}),
            (CivoRotateCredentialOperator, {"strategy": "fast"}),
            (AnypointKeySensor, {"max_consecutive_errors": "-1"}),
            (AnypointKeySensor, {"soft_fail": "perhaps"}),
            (AnypointKeySensor, {"timeout": "{{ x }}"}),
            (AnypointKeySensor, {"exponential_backoff": 1}),
        ],
        ids=lambda value: getattr(value, "__name__", str(value)),
    )
    def test_constants_are_refused_when_the_dag_is_parsed(self, kind: type[Any], wrong: dict[str, Any]) -> None:
        with pytest.raises(InvalidArgumentError, match=rf"^{next(iter(wrong))}\b.*\(task 'my_task'\)"):
            kind(**{"task_id": "my_task", **TASKS[kind], **wrong})

    def test_default_arguments_are_read_alike(self) -> None:
        defaults = {"poke_interval": "PT2M", "timeout": "3600", "soft_fail": "False", "deferrable": "True"}
        with DAG("d", schedule=None, start_date=datetime(2026, 1, 1), default_args=defaults):
            sensor = AnypointKeySensor(task_id="t", store_id="s", partition="p", keys="k")
        assert (sensor.poke_interval, sensor.timeout, sensor.soft_fail, sensor.deferrable) == (120, 3600, False, True)

    def test_outputs_and_templates_wait_for_the_task(self) -> None:
        with DAG("d", schedule=None, start_date=datetime(2026, 1, 1)):
            before = AnypointGetKeyOperator(task_id="before", store_id="s", partition="p", key="k")
            task = AnypointPurgePartitionsOperator(
                task_id="t", store_id="s", partitions=XComArg(before), force="{{ x }}", max_failures="{{ x }}"
            )
            assert task.upstream_task_ids == {"before"}

    def test_a_mapped_tasks_label_shows_what_was_given(self, hook: AnypointObjectStoreHook) -> None:
        task = AnypointPurgePartitionsOperator(task_id="t", store_id="s", partitions="orders")
        run(task)
        assert task.partitions == "orders"


class TestAMissingStore:
    """A missing store does not mean that a key or partition in it is missing."""

    def test_it_is_no_default(self, emulator: Emulator) -> None:
        get = AnypointGetKeyOperator(task_id="t", store_id="none", partition="p", key="k", default="d")
        with pytest.raises(StoreNotFoundError, match="none"):
            run(get)

    def test_it_is_no_deleted_key(self, emulator: Emulator) -> None:
        delete = AnypointDeleteKeyOperator(task_id="t", store_id="none", partition="p", key="k", if_missing="skip")
        with pytest.raises(StoreNotFoundError, match="none"):
            run(delete)

    @pytest.mark.parametrize(
        "fields", [{"partitions": ["a", "b"]}, {"partitions": "a", "key_prefix": "k"}, {"include": "a*"}], ids=str
    )
    def test_it_is_no_finished_purge(self, fields: dict[str, Any], emulator: Emulator) -> None:
        with pytest.raises(NotFoundError, match="none"):
            run(AnypointPurgePartitionsOperator(task_id="t", store_id="none", **fields))

    def test_a_store_may_be_deleted_already(self, emulator: Emulator) -> None:
        run(AnypointDeleteStoreOperator(task_id="t", store_id="none"))


def test_deferred_waits_get_plain_numbers(emulator: Emulator) -> None:
    emulator.faults([{"operation": "civo.get_object_store", "kind": "status", "status": 500, "times": 1}])
    task = CivoCreateObjectStoreOperator(
        task_id="t", name="photos", poke_interval="PT1S", timeout="60", deferrable=True
    )
    context: Any = SimpleNamespace()
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    assert deferred.value.timeout == timedelta(seconds=60)
    assert deferred.value.trigger.serialize()[1]["poke_interval"] == 1
    assert answers(emulator, "civo.create_object_store") == {"200": 1}
