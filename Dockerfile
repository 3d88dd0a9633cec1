# Built with the pinned packages; runs as nobody's user, on a root file system that may be read-only. What it reads and
# writes is in /data: bot.toml, corpus/, index/, tests/, .cache/. docs/deployment.md says how.

FROM python:3.11.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/plainquote
ENV PATH=/opt/plainquote/bin:$PATH
WORKDIR /src
COPY requirements.lock requirements-dev.lock ./
# torch alone from the index of its CPU builds, everything else from PyPI: no package can come from the wrong one.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-deps --index-url "$TORCH_INDEX" "$(grep '^torch==' requirements.lock)" \
 && pip install --requirement requirements.lock \
 && pip install --constraint requirements-dev.lock "psycopg[binary]"
COPY pyproject.toml README.md LICENSE ./
COPY bot bot
RUN pip install --no-deps --no-build-isolation .

FROM python:3.11.13-slim-bookworm
# More of Debian's, such as "tesseract-ocr tesseract-ocr-deu" for [corpus] ocr.
ARG PACKAGES=""
RUN if [ -n "$PACKAGES" ]; then \
      apt-get update && apt-get install --yes --no-install-recommends $PACKAGES && rm -rf /var/lib/apt/lists/*; \
    fi \
 && groupadd --gid 10001 plainquote \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin plainquote \
 && install --directory --owner=10001 --group=10001 \
      /data /data/corpus /data/index /data/tests /data/.cache
COPY --from=build /opt/plainquote /opt/plainquote
ENV PATH=/opt/plainquote/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /data
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s --retries=3 \
  CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 7860, timeout=4); c.request('GET', '/health'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["bot"]
CMD ["serve", "--host", "0.0.0.0", "--port", "7860", "--log-format", "json"]
