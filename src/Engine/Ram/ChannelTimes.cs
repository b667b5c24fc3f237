using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Ram;

/// <summary>What the threads of all channels of a sender did with their time so far, summed.</summary>
/// <param name="Count">How many there are.</param>
/// <param name="Processor">On a processor, each as of its last packet.</param>
/// <param name="Idle">Waiting for something to send, but for waits that have not ended.</param>
/// <param name="Waits">What their links say.</param>
readonly record struct ChannelTimes(int Count, TimeSpan Processor, TimeSpan Idle, LinkWaits Waits);
