using PsMigrate.HelpBuilder;

namespace PsMigrate.ModuleTests;

/// <summary>An about_ topic is text of 80 columns, laid out as PowerShell expects it.</summary>
public sealed class AboutHelpTests
{
    const string Topic = """
        # about_Things

        ## SHORT DESCRIPTION

        What `things` are.

        ## LONG DESCRIPTION

        A thing is something that one can have, and this sentence about it is so long that it has to be broken into lines.

        ### Kinds

        - Big ones, of which there is more to say than fits into one line of a console that is eighty columns wide.
        - Small ones.

        ```powershell
        Get-Sample
          -Indented
        ```

        | Id | Meaning |
        |----|---------|
        | `NoSuchThing` | There is none, and this is a cell that is long enough to need more than the one line. |
        | `A\|B` | Either. |
        """;

    [Fact]
    public void A_topic_is_indented_wrapped_and_aligned()
    {
        const string expected = """
            TOPIC
                about_Things

            SHORT DESCRIPTION
                What things are.

            LONG DESCRIPTION
                A thing is something that one can have, and this sentence about it is so
                long that it has to be broken into lines.

              Kinds

                - Big ones, of which there is more to say than fits into one line of a
                  console that is eighty columns wide.
                - Small ones.

                    Get-Sample
                      -Indented

                Id           Meaning
                -----------  ---------------------------------------------------------------
                NoSuchThing  There is none, and this is a cell that is long enough to need
                             more than the one line.
                A|B          Either.

            """;
        var text = AboutWriter.Write(HelpFixture.Parse("about_Things.md", Topic));
        Assert.Equal(expected.ReplaceLineEndings("\n"), text);
        Assert.All(text.Split('\n'), line => Assert.True(line.Length <= 80, line));
    }

    [Fact]
    public void A_topic_without_a_short_description_is_an_error() => Assert.StartsWith(
        "about_Things.md:1:",
        Assert.Throws<HelpException>(() => AboutWriter.Write(HelpFixture.Parse("about_Things.md", "# about_Things\n\nText."))).Message,
        StringComparison.Ordinal);
}
