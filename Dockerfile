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
    OBHUT_HUB_DATA=/data
USER obhut
WORKDIR /data
VOLUME /data
EXPOSE 8101
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8101/healthz', timeout=4)"]
CMD ["obhut", "hub", "serve"]
