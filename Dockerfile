# One image for every program of Obhut: the hub by default, a gateway with `obhut gateway serve`.
FROM python:3.11-slim AS builder
RUN apt-get update && apt-get install --yes --no-install-recommends make
WORKDIR /build
COPY . .
RUN make runtime PREFIX=/obhut

FROM python:3.11-slim
RUN useradd --system --uid 10001 obhut && install --directory --owner=obhut /data
COPY --from=builder /obhut /obhut
ENV PATH=/obhut/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    OBHUT_HUB_BIND=0.0.0.0:8101 \
    OBHUT_HUB_DATA=/data \
    OBHUT_GATEWAY_HOST=0.0.0.0
USER obhut
WORKDIR /data
VOLUME /data
EXPOSE 8101 8080
# Whichever program runs here: the hub at its port, or a gateway at its own.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "from contextlib import suppress\nfrom urllib.request import urlopen\nfor port in 8101, 8080:\n    with suppress(OSError), urlopen(f'http://127.0.0.1:{port}/healthz', timeout=2):\n        raise SystemExit(0)\nraise SystemExit(1)"]
CMD ["obhut", "hub", "serve"]
