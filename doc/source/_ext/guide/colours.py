# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Colours of code: each has a contrast of 4.5 or more on its background."""

from pygments import style, token


class GuideStyle(style.Style):
    background_color = '#f6f8fa'
    highlight_color = '#fff3c4'
    styles = {
        token.Token: '#1f2933',
        token.Comment: '#566270',
        token.Error: '#a61b1b',
        token.Generic.Deleted: '#a61b1b',
        token.Generic.Heading: 'bold',
        token.Generic.Inserted: '#1d6b34',
        token.Generic.Output: '#3e4c59',
        token.Generic.Prompt: '#566270',
        token.Generic.Strong: 'bold',
        token.Generic.Traceback: '#a61b1b',
        token.Keyword: '#7a2f8f',
        token.Keyword.Constant: '#1c5fa8',
        token.Name.Attribute: '#1c5fa8',
        token.Name.Builtin: '#1c5fa8',
        token.Name.Class: 'bold',
        token.Name.Decorator: '#7a2f8f',
        token.Name.Exception: '#a61b1b',
        token.Name.Function: '#1c5fa8',
        token.Name.Tag: '#1c5fa8',
        token.Name.Variable: '#8a4600',
        token.Number: '#8a4600',
        token.Operator.Word: '#7a2f8f',
        token.String: '#1d6b34',
        token.String.Escape: '#8a4600',
    }
