using System.ComponentModel;
using Xunit.Abstractions;
using Xunit.Sdk;

namespace PsMigrate.ModuleTests.Pester;

/// <summary>One It as a test case of xunit, named like it, and shown as skipped when it skips itself.</summary>
public sealed class PesterTestCase : XunitTestCase
{
    internal const int WholeFile = -1;

    string _title = "";
    string? _skip;

    /// <summary>For the deserializer only.</summary>
    [EditorBrowsable(EditorBrowsableState.Never)]
    [Obsolete("For the deserializer only.")]
    public PesterTestCase()
    {
    }

    internal PesterTestCase(IMessageSink diagnostics, ITestMethod method, string file, int index, string title, string? skip)
        : base(diagnostics, Xunit.Sdk.TestMethodDisplay.Method, TestMethodDisplayOptions.None, method, [file, index, title]) =>
        (_title, _skip) = (title, skip);

    /// <inheritdoc/>
    public override async Task<RunSummary> RunAsync(
        IMessageSink diagnosticMessageSink, IMessageBus messageBus, object[] constructorArguments,
        ExceptionAggregator aggregator, CancellationTokenSource cancellationTokenSource)
    {
        using var bus = new SkippingBus(messageBus);
        var summary = await base.RunAsync(diagnosticMessageSink, bus, constructorArguments, aggregator, cancellationTokenSource);
        summary.Failed -= bus.Skipped;
        summary.Skipped += bus.Skipped;
        return summary;
    }

    /// <inheritdoc/>
    public override void Serialize(IXunitSerializationInfo data)
    {
        ArgumentNullException.ThrowIfNull(data);
        base.Serialize(data);
        data.AddValue("Title", _title);
        data.AddValue("Skip", _skip);
    }

    /// <inheritdoc/>
    public override void Deserialize(IXunitSerializationInfo data)
    {
        ArgumentNullException.ThrowIfNull(data);
        _title = data.GetValue<string>("Title");
        _skip = data.GetValue<string?>("Skip");
        base.Deserialize(data);
    }

    /// <inheritdoc/>
    protected override string GetDisplayName(IAttributeInfo factAttribute, string displayName) => _title;

    /// <inheritdoc/>
    protected override string GetSkipReason(IAttributeInfo factAttribute) => _skip!;

    /// <summary>xunit 2 cannot skip a test that has begun; its failure with this exception is turned into a skip on the way out.</summary>
    sealed class SkippingBus(IMessageBus inner) : IMessageBus
    {
        public int Skipped { get; private set; }

        public bool QueueMessage(IMessageSinkMessage message)
        {
            if (message is not ITestFailed failed || failed.ExceptionTypes.FirstOrDefault() != typeof(PesterSkippedException).FullName)
                return inner.QueueMessage(message);
            Skipped++;
            return inner.QueueMessage(new TestSkipped(failed.Test, failed.Messages[0]));
        }

        /// <summary>The bus within belongs to whoever made it.</summary>
        public void Dispose()
        {
        }
    }
}
