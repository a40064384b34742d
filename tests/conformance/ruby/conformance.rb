# frozen_string_literal: true

# The cases of ../README.md, by Debian's ruby-grpc. A process that has used grpc must not fork.

require 'grpc'
require 'grpc/health/v1/health_services_pb'
require 'muster/v1/presence_services_pb'

include Muster::V1

DEADLINE_S = 20
Health = Grpc::Health::V1

# A case that found something else than expected.
class Failure < StandardError; end

# A watch of a scope: a snapshot, then changes.
class Watch
  def initialize(presence, scope, deadline_s: DEADLINE_S)
    @operation = presence.watch(WatchRequest.new(scope: scope), deadline: Time.now + deadline_s, return_op: true)
    @answers = @operation.execute
    @changes = []
  end

  # The names of the users who are present. To be read first.
  def snapshot
    present = []
    loop do
      answer = @answers.next
      present.concat(answer.present.map(&:user))
      @changes.concat(answer.changes.to_a)
      return present unless answer.more
    end
  end

  def change
    @changes.concat(@answers.next.changes.to_a) while @changes.empty?
    @changes.shift
  end

  def cancel
    @operation.cancel
  end
end

# What cases have in common.
module Steps
  def presence(variable, credentials = :this_channel_is_insecure, **options)
    Presence::Stub.new(ENV.fetch(variable), credentials, timeout: DEADLINE_S, **options)
  end

  def beat(user, **fields)
    Beat.new(user: user, **fields)
  end

  def touch(node, scope, *beats)
    node.touch(TouchRequest.new(scope: scope, beats: beats)).joined
  end

  def live(node, scope, users)
    node.live(LiveRequest.new(scope: scope, users: users)).users
  end

  def ask_nodes(node, **options)
    expect('nodes', node.nodes(NodesRequest.new, **options).nodes.size, 1)
  end

  def expect(what, found, expected)
    raise Failure, "#{what}: #{found.inspect}, not #{expected.inspect}" unless found == expected
  end

  def expect_change(change, kind, user)
    expect('the change', [change.kind, change.user.user], [kind, user])
  end

  # The error with which a call fails: one of those that are expected.
  def expect_refusal(*expected)
    yield
  rescue *expected => e
    e
  rescue GRPC::BadStatus => e
    raise Failure, "#{e.message}, not #{expected}"
  else
    raise Failure, "answered, not #{expected}"
  end
end

# The case `drain`: workers touch while the node is restarted; nothing that was answered is lost.
class Drain
  include Steps

  WORKERS = 8
  ENOUGH = 100
  LIVE_USERS_MAX = 10_000

  def initialize
    @node = presence('MUSTER_DRAINED')
    @answered = Queue.new
    @is_over = false
  end

  def run
    workers = Array.new(WORKERS) { |worker| Thread.new { touch_until_over("worker-#{worker}") } }
    workers.each { |worker| worker.report_on_exception = false }
    await_answers(ENOUGH, workers)
    puts 'drain'
    expect('the harness\'s line', $stdin.gets, "restarted\n")
    await_answers(@answered.size + ENOUGH, workers)
    @is_over = true
    workers.each(&:join)
    expect_live(Array.new(@answered.size) { @answered.pop })
  ensure
    @is_over = true
  end

  private

  def touch_until_over(prefix)
    (0..).each do |i|
      return if @is_over

      touch(@node, 'drain', beat("#{prefix}-#{i}"))
      @answered << "#{prefix}-#{i}"
    rescue GRPC::Unavailable
      sleep 0.01
    end
  end

  # Raises what a worker raised.
  def await_answers(count, workers)
    ends = Time.now + DEADLINE_S
    while @answered.size < count
      raise Failure, "#{@answered.size} answers, not #{count}, after #{DEADLINE_S} s" if Time.now > ends

      workers.each { |worker| worker.join(0.01) }
    end
  end

  def expect_live(users)
    users.each_slice(LIVE_USERS_MAX) do |some|
      expect('live of those answered', live(@node, 'drain', some).count(&:live), some.size)
    end
  end
end

# A method a case.
class Cases
  include Steps

  def unary
    node = presence('MUSTER_PLAIN')
    expect('joined', touch(node, 'unary', beat('ada'), beat('bob', status: :STATUS_BUSY)), 2)
    users = live(node, 'unary', %w[ada bob nobody])
    expect('live', users.map(&:live), [true, true, false])
    expect('the status of bob', users[1].status, :STATUS_BUSY)
    counts = node.counts(CountsRequest.new(scopes: ['unary'])).scopes.first
    expect('live, online, busy', [counts.live, counts.online, counts.busy], [2, 1, 1])
  end

  def stream
    node = presence('MUSTER_PLAIN')
    touch(node, 'stream', beat('ada'))
    watch = Watch.new(node, 'stream')
    expect('the snapshot', watch.snapshot, ['ada'])
    touch(node, 'stream', beat('bob'))
    expect_change(watch.change, :CHANGE_KIND_JOINED, 'bob')
    touch(node, 'stream', beat('bob', status: :STATUS_BUSY))
    updated = watch.change
    expect_change(updated, :CHANGE_KIND_UPDATED, 'bob')
    expect('the status of bob', updated.user.status, :STATUS_BUSY)
    node.leave(LeaveRequest.new(scope: 'stream', departures: [Departure.new(user: 'bob')]))
    left = watch.change
    expect_change(left, :CHANGE_KIND_LEFT, 'bob')
    expect('the reason', left.reason, :LEAVE_REASON_LEFT)
  ensure
    watch&.cancel
  end

  def deadline
    node = presence('MUSTER_PLAIN')
    expect_refusal(GRPC::DeadlineExceeded) do
      watch = Watch.new(node, 'deadline', deadline_s: 0.3)
      watch.snapshot
      watch.change
    end
    ask_nodes(node, deadline: Time.now + 10)
  end

  def cancel
    node = presence('MUSTER_ONE_WATCH')
    watch = Watch.new(node, 'cancel')
    watch.snapshot
    expect_refusal(GRPC::ResourceExhausted) { Watch.new(node, 'cancel').snapshot }
    watch.cancel
    expect_refusal(GRPC::Cancelled) { watch.change }
    watch_when_there_is_room(node, Time.now + 10)
  end

  def metadata
    node = presence('MUSTER_PLAIN')
    ask_nodes(node, metadata: { 'muster-padding' => 'x' * 8 * 1024 })
    expect_refusal(GRPC::ResourceExhausted, GRPC::Internal) do
      ask_nodes(node, metadata: { 'muster-padding' => 'x' * 20 * 1024 })
    end
    ask_nodes(node)
  end

  def message_limit
    node = presence('MUSTER_PLAIN')
    expect_refusal(GRPC::ResourceExhausted) { touch(node, 'message-limit', beat('ada', state: "\0" * 2 * 1024 * 1024)) }
    ask_nodes(node)
  end

  def invalid_argument
    node = presence('MUSTER_PLAIN')
    refusal = expect_refusal(GRPC::InvalidArgument) { touch(node, 'invalid-argument', beat('')) }
    raise Failure, "the message does not name the user: #{refusal.details}" unless refusal.details.include?('user')
  end

  def compression
    gzip = GRPC::Core::CompressionOptions.new(default_algorithm: :gzip).to_channel_arg_hash
    node = presence('MUSTER_MEASURED', channel_args: gzip)
    names = Array.new(5000) { |i| format('compressed-%04d', i) }
    expect('joined', touch(node, 'compression', *names.map { |name| beat(name) }), names.size)
    users = node.list(ListRequest.new(scope: 'compression', page_size: names.size)).users
    raise Failure, "#{users.size} users are listed, not the #{names.size} touched" if users.map(&:user).sort != names
  end

  def reuse
    node = presence('MUSTER_COUNTED')
    callers = Array.new(20) do
      Thread.new { Array.new(50) { live(node, 'reuse', ['ada']).size } }
    end
    expect('users', callers.flat_map(&:value), [1] * 1000)
  end

  def drain
    Drain.new.run
  end

  def health
    node = Health::Health::Stub.new(ENV.fetch('MUSTER_PLAIN'), :this_channel_is_insecure, timeout: DEADLINE_S)
    expect('the node', node.check(Health::HealthCheckRequest.new).status, :SERVING)
    expect('the service', node.check(Health::HealthCheckRequest.new(service: 'muster.v1.Presence')).status, :SERVING)
    expect_refusal(GRPC::NotFound) { node.check(Health::HealthCheckRequest.new(service: 'muster.v1.Nothing')) }
  end

  def tls
    ask_nodes(presence('MUSTER_TLS', GRPC::Core::ChannelCredentials.new(file('MUSTER_CA'))))
  end

  def mutual_tls
    known = GRPC::Core::ChannelCredentials.new(file('MUSTER_CA'), file('MUSTER_CLIENT_KEY'), file('MUSTER_CLIENT_CERT'))
    ask_nodes(presence('MUSTER_MUTUAL_TLS', known))
    unknown = GRPC::Core::ChannelCredentials.new(file('MUSTER_CA'))
    expect_refusal(GRPC::Unavailable) { ask_nodes(presence('MUSTER_MUTUAL_TLS', unknown)) }
  end

  private

  def watch_when_there_is_room(node, ends)
    watch = Watch.new(node, 'cancel')
    watch.snapshot
    touch(node, 'cancel', beat('ada'))
    expect_change(watch.change, :CHANGE_KIND_JOINED, 'ada')
    watch.cancel
  rescue GRPC::ResourceExhausted
    raise if Time.now > ends

    sleep 0.01
    retry
  end

  def file(variable)
    File.read(ENV.fetch(variable))
  end
end

CASES = %w[unary stream deadline cancel metadata message-limit invalid-argument compression reuse drain health tls
           mutual-tls].freeze

$stdout.sync = true
passed = CASES.map do |name|
  Cases.new.public_send(name.tr('-', '_'))
  puts "ok #{name}"
  true
rescue StandardError => e
  puts "FAILED #{name} #{e.class} #{e.message}".tr("\n", ' ')
  false
end
exit passed.all?
