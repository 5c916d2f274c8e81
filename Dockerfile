# syntax=docker/dockerfile:1
# Each package has a wheel for this Python, so that the image needs no compiler.
FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/tools && python -m venv --without-pip /opt/agent-bridge
ENV PATH=/opt/tools/bin:$PATH UV_PYTHON=/opt/agent-bridge/bin/python UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1
COPY locks/tools.txt locks/run.txt locks/dev.txt locks/
RUN pip install --no-cache-dir --require-hashes --requirement locks/tools.txt
RUN uv pip install --only-binary :all: --require-hashes --requirement locks/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY agent_bridge agent_bridge
COPY alembic alembic
RUN hatchling build --target wheel --directory /wheel && uv pip install --no-deps /wheel/*.whl
# --build-arg EXTRAS=documents: PDFs and office documents as text.
ARG EXTRAS=""
RUN test -z "$EXTRAS" \
 || uv pip install --only-binary :all: --constraint locks/dev.txt "$(ls /wheel/*.whl)[$EXTRAS]"

FROM python:3.13-slim
LABEL org.opencontainers.image.title="agent_bridge" \
      org.opencontainers.image.description="Turns every AI agent into a Matrix contact." \
      org.opencontainers.image.licenses="Apache-2.0"
# The image of Python has no byte code of the standard library: each start and each health check would compile it.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends tini \
 && rm -rf /var/lib/apt/lists/* \
 && python -m compileall -q /usr/local/lib/python3.13 \
 && useradd --system --uid 10001 --home-dir /data --create-home bridge
COPY --from=build /opt/agent-bridge /opt/agent-bridge
ENV PATH=/opt/agent-bridge/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 AGENT_BRIDGE_CONFIG=/config/config.yaml
USER bridge
WORKDIR /data
VOLUME ["/data"]
EXPOSE 29340
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=6s --start-period=30s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:29340/healthz', timeout=5)"]
ENTRYPOINT ["tini", "--", "agent-bridge"]
CMD ["run"]
