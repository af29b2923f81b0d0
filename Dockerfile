# docker build -t colorization .
# docker run --gpus all -v "$PWD/data:/work/data" -v "$PWD/networks:/work/networks" colorization \
#     caffe train -solver networks/plain/solver.prototxt
# The words after the image's name are the command: caffe, process_images or colorize_film.
FROM nvidia/cuda:13.0.1-runtime-ubuntu24.04

RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*

RUN python3 -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH

# torch first and alone: its layer is large and changes seldom. On x86-64 Linux the wheel is the GPU build.
WORKDIR /opt/colorization
COPY constraints.txt .
RUN pip install --no-cache-dir -c constraints.txt torch

COPY pyproject.toml setup.py README.md LICENSE ./
COPY runtime runtime
COPY layers layers
COPY colorization colorization
COPY scripts scripts
COPY networks networks
COPY shared_resources shared_resources
RUN pip install --no-cache-dir -c constraints.txt .

# The working directory holds the networks under the names that the README's commands use.
RUN useradd --create-home colorization && mkdir -p /work/data \
 && cp -r networks shared_resources /work/ && chown -R colorization /work
USER colorization
WORKDIR /work

ENTRYPOINT ["env"]
CMD ["caffe", "--help"]
