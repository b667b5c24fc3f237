using System.Globalization;
using PsMigrate.Engine.Ram;

namespace PsMigrate.Engine.Source;

/// <summary>Where passes go on: chosen by the sender within a pass, and each choice recorded (docs/means.md).</summary>
sealed partial class OutgoingMigration
{
    const string OrderOfPages = "Order of pages";

    /// <summary>3: the log is about to be started. Whatever the means and the receiver: in which order pages come is all the same to it.</summary>
    void BeginOrder() => _ram.Order = new PassOrder(_guest.Memory, () => BandwidthLimit, TellMove);

    void TellMove(PassMove move)
    {
        var who = move.Walkers == 1 ? "the guest writes one page after the other" : $"{move.Walkers} walks through the memory write one page after the other each";
        var place = move.Place;
        Decide(OrderOfPages, $"from page {move.From}", $"from page {place.Page}", string.Create(CultureInfo.InvariantCulture,
            $"Pass {_pass}: {who}, {move.Rate:0} pages/s, and came to page {move.Head}. About {place.Again:0} pages are written after they went so, instead of {place.Otherwise:0}."));
    }
}
