# docker build -t recon .
# docker run --rm --user "$(id -u)" -v "$PWD:/work" recon mesh SCAN.ply -o MESH.ply     (a GPU: --gpus all)
#
# PyTorch comes from the index that pip is configured for, usually with CUDA; where another one has the CPU build,
# --build-arg PIP_EXTRA_INDEX_URL=... makes the image some gigabytes smaller.
FROM python:3.12-slim
ARG PIP_EXTRA_INDEX_URL=
ARG EXTRAS=report,geo
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY tools/constraints.txt tools/
COPY recon recon
COPY data/kitten.ply data/
RUN pip install --no-cache-dir --prefer-binary -c tools/constraints.txt ".[$EXTRAS]" \
 && useradd --create-home recon
USER recon
# An image that makes no sound mesh is not built.
RUN recon mesh data/kitten.ply -o /tmp/kitten.ply --preset draft --strict && rm -r /tmp/kitten*
ENV HOME=/tmp
WORKDIR /work
ENTRYPOINT ["recon"]
CMD ["--help"]
