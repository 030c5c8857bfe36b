"""The files of ``deploy/`` have the form that their programs read, and hold no secret."""

import re
import subprocess
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from tests.app.studies import ROOT

DEPLOY = ROOT / "deploy"
Named = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
Quantity = Annotated[str, Field(pattern=r"^[0-9]+(m|Mi|Gi)?$")]


class Strict(BaseModel):
    """A part of a file in which each key is known."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Healthcheck(Strict):
    """https://github.com/compose-spec/compose-spec, schema/compose-spec.json: ``healthcheck``."""

    test: Annotated[list[str], Field(min_length=2)]
    interval: str
    timeout: str
    retries: int
    start_period: str


class Service(Strict):
    """The keys of ``service`` in that schema that the file uses."""

    image: Annotated[str, Field(pattern=r"^[\w/.-]+:[\w.-]*\d[\w.-]*$")]
    build: str | None = None
    command: list[str] = []
    environment: dict[str, str] = {}
    secrets: list[str] = []
    volumes: list[str] = []
    networks: list[str]
    ports: list[str] = []
    depends_on: dict[str, dict[Literal["condition"], Literal["service_healthy"]]] = {}
    healthcheck: Healthcheck
    restart: Literal["unless-stopped"]
    stop_grace_period: str | None = None
    shm_size: str | None = None
    security_opt: list[Literal["no-new-privileges:true"]]
    read_only: bool = False
    tmpfs: list[str] = []
    cap_drop: list[Literal["ALL"]] = []


class Compose(Strict):
    """The top level of that schema."""

    name: Named
    services: dict[Named, Service]
    networks: dict[str, dict[str, Any]]
    volumes: dict[str, dict[str, Any]]
    secrets: dict[str, dict[Literal["file"], str]]


COMPOSE = Compose.model_validate(yaml.safe_load((DEPLOY / "compose.yaml").read_text()))


class Metadata(Strict):
    """Kubernetes' object metadata, as far as it is used."""

    name: Named | None = None
    namespace: Named | None = None
    labels: dict[str, str] = {}


class Resources(Strict):
    """https://kubernetes.io/docs/reference/kubernetes-api, ``ResourceRequirements``."""

    requests: dict[Literal["cpu", "memory"], Quantity]
    limits: dict[Literal["cpu", "memory"], Quantity]


class SecretKey(Strict):
    """``SecretKeySelector``."""

    name: Named
    key: str


class Variable(Strict):
    """``EnvVar``: a value, or a secret's key."""

    name: str
    value: str | None = None
    valueFrom: dict[Literal["secretKeyRef"], SecretKey] | None = None  # noqa: N815 - Kubernetes'


class Container(Strict):
    """``Container``."""

    name: Named
    image: Annotated[str, Field(pattern=r":[\w.-]*\d[\w.-]*$")]
    env: list[Variable] = []
    resources: Resources
    volumeMounts: list[dict[str, Any]] = []  # noqa: N815 - Kubernetes'


class PodSpec(Strict):
    """``PodSpec``."""

    containers: list[Container]
    volumes: list[dict[str, Any]] = []


class Template(Strict):
    """``PodTemplateSpec``."""

    metadata: Metadata
    spec: PodSpec


class Head(Strict):
    """``HeadGroupSpec`` of https://docs.ray.io/en/master/cluster/kubernetes/references/api.html."""

    rayStartParams: dict[str, str]  # noqa: N815 - KubeRay's
    template: Template


class WorkerGroup(Head):
    """``WorkerGroupSpec``."""

    groupName: Named  # noqa: N815 - KubeRay's
    replicas: int
    minReplicas: int  # noqa: N815 - KubeRay's
    maxReplicas: int  # noqa: N815 - KubeRay's


class RayCluster(Strict):
    """``RayClusterSpec``."""

    rayVersion: str  # noqa: N815 - KubeRay's
    authOptions: dict[Literal["mode"], Literal["token"]]  # noqa: N815 - KubeRay's
    enableInTreeAutoscaling: bool  # noqa: N815 - KubeRay's
    autoscalerOptions: dict[Literal["idleTimeoutSeconds"], int]  # noqa: N815 - KubeRay's
    headGroupSpec: Head  # noqa: N815 - KubeRay's
    workerGroupSpecs: list[WorkerGroup]  # noqa: N815 - KubeRay's


class RayJobSpec(Strict):
    """``RayJobSpec``."""

    entrypoint: str
    backoffLimit: int  # noqa: N815 - KubeRay's
    shutdownAfterJobFinishes: bool  # noqa: N815 - KubeRay's
    rayClusterSpec: RayCluster  # noqa: N815 - KubeRay's


class RayJob(Strict):
    """``RayJob``."""

    apiVersion: Literal["ray.io/v1"]  # noqa: N815 - Kubernetes'
    kind: Literal["RayJob"]
    metadata: Metadata
    spec: RayJobSpec


MANIFESTS = {one["kind"]: one for one in yaml.safe_load_all((DEPLOY / "kuberay.yaml").read_text())}
JOB = TypeAdapter(RayJob).validate_python(MANIFESTS["RayJob"])


def test_services_use_only_what_the_compose_file_declares() -> None:
    services = COMPOSE.services.values()
    declared = set(COMPOSE.volumes)
    for service in services:
        assert set(service.networks) <= set(COMPOSE.networks)
        assert set(service.secrets) <= set(COMPOSE.secrets)
        assert set(service.depends_on) <= set(COMPOSE.services)
        for volume in service.volumes:
            source = volume.partition(":")[0]
            assert source in declared or (DEPLOY / source).is_file(), volume
    assert set(COMPOSE.secrets) == {name for service in services for name in service.secrets}


def test_only_the_proxy_is_published_to_the_network_and_it_does_not_see_the_database() -> None:
    published = {name: service.ports for name, service in COMPOSE.services.items()}
    assert published == {
        "postgres": ["${POSTGRES_ADDRESS:-127.0.0.1}:5432:5432"],
        "mlflow": [],
        "proxy": ["80:80", "443:443"],
    }
    networks = COMPOSE.services["proxy"].networks, COMPOSE.services["postgres"].networks
    assert not set(networks[0]) & set(networks[1])


def test_variables_of_the_compose_file_are_explained_beside_it() -> None:
    used = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text()))
    given = dict(
        line.split("=", 1)
        for line in (DEPLOY / ".env.example").read_text().splitlines()
        if not line.startswith("#")
    )
    assert used == set(given)


def test_image_has_the_version_of_mlflow_that_the_compose_file_names() -> None:
    image = COMPOSE.services["mlflow"].image
    dockerfile = (DEPLOY / "mlflow/Dockerfile").read_text()
    assert f"mlflow[auth]=={image.partition(':')[2]}" in dockerfile


def test_pods_of_the_job_are_those_that_the_network_policy_guards() -> None:
    guarded = MANIFESTS["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]
    cluster = JOB.spec.rayClusterSpec
    for group in (cluster.headGroupSpec, *cluster.workerGroupSpecs):
        assert guarded.items() <= group.template.metadata.labels.items()
    assert MANIFESTS["NetworkPolicy"]["metadata"]["namespace"] == JOB.metadata.namespace


def test_job_names_ray_as_it_is_installed_and_no_address_has_a_password() -> None:
    ray = pytest.importorskip("ray")
    assert JOB.spec.rayClusterSpec.rayVersion == ray.__version__
    head = JOB.spec.rayClusterSpec.headGroupSpec.template.spec.containers[0]
    secret = [one.name for one in head.env if one.valueFrom]
    assert secret == ["MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "PGPASSWORD"]
    files = [path for path in DEPLOY.rglob("*") if path.is_file()]
    for path in files:
        assert not re.search(r"://[^/\s]*:[^/@\s]+@", path.read_text()), path


@pytest.mark.parametrize(
    "script", sorted(DEPLOY.rglob("*.sh")), ids=lambda path: path.relative_to(DEPLOY).as_posix()
)
def test_script_is_one_that_its_shell_reads(script: Path) -> None:
    shell = script.read_text().partition("\n")[0].removeprefix("#!")
    assert script.stat().st_mode & 0o111
    subprocess.run([shell, "-n", script], check=True)
