# One image for every process of Mission Control; the command says which one a container runs. docs/containers.md
#
# Any base with Python 3.11 or newer and the same C library in both stages will do. `python3` must be at one place in both: the
# environment points at it.
ARG BASE_IMAGE=python:3.13-slim-bookworm
# Bases without an installer have a sister with one: Debian's python3 without and with python3-venv.
ARG BUILD_IMAGE=${BASE_IMAGE}

FROM ${BUILD_IMAGE} AS build
WORKDIR /source

# What changes seldom comes first. The secrets are for whoever has a package index, or a certificate authority, of their own.
COPY container/requirements-build.txt container/requirements.txt container/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=pip-ca.pem \
    --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv /tools \
    && /tools/bin/pip install --require-hashes --requirement container/requirements-build.txt \
    && python3 -m venv --without-pip /opt/missioncontrol \
    && /tools/bin/pip --python /opt/missioncontrol/bin/python3 install \
        --require-hashes --only-binary :all: --no-compile --requirement container/requirements.txt

# Byte code that is never compared with its source: what a layer does to times of files cannot make it stale.
COPY pyproject.toml README.md ./
COPY clients/python clients/python
COPY services services
RUN /tools/bin/pip wheel --no-cache-dir --no-index --no-build-isolation --no-deps --wheel-dir /wheels ./clients/python . \
    && /tools/bin/pip --python /opt/missioncontrol/bin/python3 install \
        --no-cache-dir --no-index --no-deps --no-compile /wheels/*.whl \
    && find /opt/missioncontrol -depth -type d -name tests -exec rm -r {} + \
    && /opt/missioncontrol/bin/python3 -m compileall -q --invalidation-mode unchecked-hash /opt/missioncontrol/lib \
    && mkdir /state

FROM ${BASE_IMAGE}

# Nothing is installed into a container, and nothing in it needs another user's rights. Official Python images come without byte
# code of the standard library, which a container that cannot write would compile at each start.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/* /usr/local/lib/python3*/ensurepip \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
    && python3 -m compileall -q -x '/(test|tests|lib2to3)/' "$(python3 -c 'import os; print(os.path.dirname(os.__file__))')"

COPY --from=build /opt/missioncontrol /opt/missioncontrol
# The only folder that it writes to, beside /tmp. A new volume that is mounted here takes over its owner.
COPY --from=build --chown=65532:65532 /state /var/lib/missioncontrol

ENV PATH=/opt/missioncontrol/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/var/lib/missioncontrol \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /var/lib/missioncontrol
USER 65532:65532
STOPSIGNAL SIGTERM
# Coordinator, scheduler, event gateway and its gRPC health; their metrics.
EXPOSE 7070 7071 7080 7081 9464 9465 9466

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Mission Control" \
      org.opencontainers.image.description="A self-hosted control plane for fleets of agents" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

CMD ["missionctl", "--help"]
