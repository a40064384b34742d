# Reads replies, one a line in base64, and prints each as JSON.
require "muster/v1/presence_pb"

STDIN.each_line { |line| puts Muster::V1::Reply.decode(line.unpack1("m")).to_json }
