# syntax=docker/dockerfile:1
FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/agent-bridge
COPY pyproject.toml README.md LICENSE ./
COPY agent_bridge agent_bridge
COPY alembic alembic
RUN /opt/agent-bridge/bin/pip install --no-cache-dir .

FROM python:3.13-slim
LABEL org.opencontainers.image.title="agent_bridge" \
      org.opencontainers.image.description="Turns every AI agent into a Matrix contact." \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update \
 && apt-get install --yes --no-install-recommends tini \
 && rm -rf /var/lib/apt/lists/* \
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
