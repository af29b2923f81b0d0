"""The messages of Caffe, under the names that pycaffe gives them."""
